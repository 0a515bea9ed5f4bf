package execdeps

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// A loading is the work of a loader for one program, as described in ld.so(8), or of
// musl's.
type loading struct {
	*Finder
	machine machine
	kind    [4]byte
	interp  string
	musl    bool
	main    *library
	// have are the names of the loaded objects: those by which they were requested, and
	// their own.
	have map[string]bool
	// last are the loader's default directories.
	last []string
}

var errNoLibrary = errors.New("not found where the loader looks")

// find adds a library that another one needs, and the variants that the loader uses
// instead on a newer processor. It adds nothing if the library is already loaded.
func (l *loading) find(name string, by *library) ([]*library, error) {
	if l.have[name] || l.musl && isMuslOwn(name) {
		return nil, nil
	}
	l.have[name] = true
	s := search{loading: l, name: name, by: by}
	if strings.Contains(name, "/") {
		for _, p := range l.machine.expand(name, dirOf(by.name)) {
			if s.take(p) {
				break
			}
		}
	} else if !s.paths() && !s.cached() {
		for _, dir := range l.last {
			if s.dir(dir) {
				break
			}
		}
	}
	switch {
	case s.err == nil && len(s.found) == 0:
		return nil, errNoLibrary
	case len(s.found) == 0 || s.endless:
		return nil, s.err
	}
	return s.found, nil
}

// A search is the search for a library that another one needs.
type search struct {
	*loading
	name  string
	by    *library
	found []*library
	// err is why the first file of that name that was skipped cannot be read. The
	// loader skips it too.
	err     error
	endless bool
}

// paths searches where the environment and the objects say, in the loader's order,
// until it finds the library that every processor can use.
func (s *search) paths() bool {
	if s.musl && s.path(s.Env.LibraryPath, nil) {
		return true
	}
	if s.musl || !s.by.hasRunpath {
		for o := s.by; o != nil; o = o.by {
			if s.path(o.rpath, o) || s.musl && s.path(o.runpath, o) {
				return true
			}
		}
	}
	return !s.musl && (s.path(s.Env.LibraryPath, nil) || s.path(s.by.runpath, s.by))
}

// path searches the directories of a search path: that of an object, or
// LD_LIBRARY_PATH.
func (s *search) path(list string, of *library) bool {
	separators, raw := ":", false
	switch {
	case s.musl:
		separators, raw = ":\n", of == nil
	case of == nil:
		separators = ":;"
	}
	if of == nil {
		of = s.main
	}
	for more := list != ""; more; {
		var dir string
		i := strings.IndexAny(list, separators)
		if more = i >= 0; more {
			dir, list = list[:i], list[i+1:]
		} else {
			dir = list
		}
		if dir == "" {
			if s.musl {
				continue
			}
			dir = "."
		}
		dirs := []string{dir}
		if !raw {
			dirs = s.machine.expand(dir, dirOf(of.name))
		}
		for _, dir := range dirs {
			if s.endless || s.dir(dir) {
				return true
			}
		}
	}
	return false
}

// dir searches a directory, and the directories in it for certain processors.
func (s *search) dir(dir string) bool {
	if !s.musl && s.hasVariants(dir) {
		for _, level := range s.machine.levels {
			s.take(dir + "/" + variants + "/" + level + "/" + s.name)
		}
	}
	return s.take(dir + "/" + s.name)
}

// variants are the subdirectories of a directory that contain libraries for certain
// processors.
const variants = "glibc-hwcaps"

func (l *loading) hasVariants(dir string) bool {
	if l.machine.levels == nil {
		return false
	}
	has, known := l.variants[dir]
	if !known {
		name, ok := l.absolute(dir + "/" + variants)
		if ok {
			_, st, err := l.Root.resolve(name)
			has = err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR
		}
		if l.variants == nil {
			l.variants = map[string]bool{}
		}
		if len(l.variants) < 4096 {
			l.variants[dir] = has
		}
	}
	return has
}

// cached searches the cache. It contains a library several times if there are variants
// for newer processors.
func (s *search) cached() bool {
	if s.musl {
		return false
	}
	if s.cache == nil {
		s.cache = map[string][]cached{}
		if b, err := s.Root.readFile(cacheFile); err == nil {
			for _, c := range parseCache(b) {
				s.cache[c.name] = append(s.cache[c.name], c)
			}
		}
	}
	for _, c := range s.cache[s.name] {
		if s.take(c.path) && c.hwcap == 0 {
			return true
		}
	}
	return false
}

// take adds a file if it is a library of the right kind.
func (s *search) take(name string) bool {
	name, ok := s.absolute(name)
	if !ok {
		return false // from the payload's directory, whatever that will be
	}
	real, o, _, err := s.object(name)
	if err == errEndless {
		s.err, s.endless = err, true
	}
	if err == unix.EACCES && s.err == nil {
		s.err = fmt.Errorf("%s: %w", name, err)
	}
	if err != nil || o == nil || o.kind != s.kind {
		return false
	}
	s.add(real, false)
	if o.soname != "" && !s.musl {
		s.have[o.soname] = true
	}
	s.found = append(s.found, &library{object: o, name: name, by: s.by})
	return true
}

// dirOf is the directory part of an absolute name, without cleaning: after a symbolic
// link, .. is not the component before it.
func dirOf(name string) string { return name[:max(strings.LastIndexByte(name, '/'), 1)] }

// lastDirs are the directories that a loader searches last.
func (f *Finder) lastDirs(m machine, interp string) []string {
	if !isMusl(interp) {
		return m.defaults()
	}
	if b, err := f.Root.readFile(muslPath(interp)); err == nil {
		return strings.FieldsFunc(string(b), func(r rune) bool { return r == ':' || r == '\n' })
	}
	return []string{"/lib", "/usr/local/lib", "/usr/lib"}
}
