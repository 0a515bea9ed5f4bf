package landlock

import (
	"errors"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// A loading is a loader at work for one program, as ld.so(8) says, or musl.
type loading struct {
	*finder
	machine machine
	kind    [4]byte
	interp  string
	// have are the names of what is loaded: those by which it was asked for,
	// and those that it has itself.
	have map[string]bool
}

var errNoLibrary = errors.New("not found where the loader looks")

// find adds a library that another one needs. It is nil if it is loaded.
func (l *loading) find(name string, by *library) (*library, error) {
	if l.have[name] || isMusl(l.interp) && isMuslOwn(name) {
		return nil, nil
	}
	l.have[name] = true
	if strings.Contains(name, "/") {
		for _, p := range l.machine.expand(name, path.Dir(by.name)) {
			if lib, err := l.try(p, by); lib != nil || err != nil {
				return lib, err
			}
		}
		return nil, errNoLibrary
	}
	var first *library
	for _, p := range l.candidates(name, by) {
		lib, err := l.try(p, by)
		if err != nil {
			return nil, err
		}
		if lib != nil {
			first = lib
			break
		}
	}
	// The cache may have it several times, for more and less able processors:
	// the loader takes what fits this one, so all may be read.
	for _, p := range l.fromCache(name) {
		lib, err := l.try(p, by)
		if err != nil {
			return nil, err
		}
		if first == nil {
			first = lib
		}
	}
	for _, dir := range l.last() {
		if first != nil {
			break
		}
		var err error
		if first, err = l.try(dir+"/"+name, by); err != nil {
			return nil, err
		}
	}
	if first == nil {
		return nil, errNoLibrary
	}
	return first, nil
}

// candidates are the names that come before the cache, in order.
func (l *loading) candidates(name string, by *library) []string {
	var dirs []string
	add := func(list, origin string) {
		for _, d := range strings.FieldsFunc(list, func(r rune) bool { return r == ':' }) {
			dirs = append(dirs, l.machine.expand(d, origin)...)
		}
	}
	if by.runpath == "" || isMusl(l.interp) {
		for o := by; o != nil; o = o.by {
			add(o.rpath, path.Dir(o.name))
			if isMusl(l.interp) {
				add(o.runpath, path.Dir(o.name))
			}
		}
	}
	for _, d := range strings.FieldsFunc(l.libraries, func(r rune) bool { return r == ':' || r == ';' }) {
		dirs = append(dirs, d)
	}
	add(by.runpath, path.Dir(by.name))
	var names []string
	for _, d := range dirs {
		names = append(names, d+"/"+name)
	}
	return names
}

func (l *loading) fromCache(name string) []string {
	if isMusl(l.interp) {
		return nil
	}
	if !l.read {
		l.read = true
		if b, err := l.root.readFile(cacheFile); err == nil {
			l.cache = parseCache(b)
		}
	}
	var list []string
	for _, c := range l.cache {
		if c.name == name {
			list = append(list, c.path)
		}
	}
	return list
}

// last are the directories that the loader knows of by itself.
func (l *loading) last() []string {
	if !isMusl(l.interp) {
		return l.machine.defaults()
	}
	if b, err := l.root.readFile(muslPath(l.interp)); err == nil {
		return strings.FieldsFunc(string(b), func(r rune) bool { return r == ':' || r == '\n' })
	}
	return []string{"/lib", "/usr/local/lib", "/usr/lib"}
}

// try adds a file if it is a library of the right kind. What is not there, or
// of another kind, is nil; what is there and cannot be read is an error, for it
// cannot be told what it needs.
func (l *loading) try(name string, by *library) (*library, error) {
	if !path.IsAbs(name) {
		return nil, nil // from the payload's directory, whatever that will be
	}
	real, o, _, err := l.object(name)
	switch {
	case err == unix.EACCES || err == errEndless:
		return nil, err
	case err != nil || o == nil || o.kind != l.kind:
		return nil, nil
	}
	l.add(real, readFile)
	if o.soname != "" {
		l.have[o.soname] = true
	}
	return &library{object: o, name: name, by: by}, nil
}
