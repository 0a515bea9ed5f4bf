package execdeps

import (
	"errors"
	"fmt"
	"io"
	"path"

	"golang.org/x/sys/unix"
)

// object reads a file that may be an object; if it is not, o is nil and head is the
// start of the file.
func (f *Finder) object(name string) (real string, o *object, head []byte, err error) {
	real, st, err := f.Root.resolve(name)
	if err != nil {
		return "", nil, nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return "", nil, nil, errors.New("not a regular file")
	}
	file, err := f.Root.open(real)
	if err != nil {
		return "", nil, nil, err
	}
	defer file.close()
	o, err = parseELF(file)
	if err == nil {
		if f.size += o.size(); f.size > maxText {
			err = errEndless
		}
	}
	if err != errNotELF {
		return real, o, nil, err
	}
	head = make([]byte, headSize)
	n, err := file.ReadAt(head, 0)
	if err == io.EOF {
		err = nil
	}
	return real, nil, head[:n], err
}

// A library is an object that the loader has loaded, and the object for which it was
// loaded.
type library struct {
	*object
	// name is the name by which it was found, to which $ORIGIN refers.
	name string
	by   *library
}

// load adds the loader of a program and all libraries that it loads, in the order of
// loading.
func (f *Finder) load(real string, o *object) error {
	if o.interp == "" {
		return nil
	}
	if !path.IsAbs(o.interp) {
		return fmt.Errorf("%s: the loader %q is not an absolute path", real, o.interp)
	}
	at, loader, _, err := f.object(o.interp)
	if err == nil && loader == nil {
		err = errNotELF
	}
	if err != nil {
		return fmt.Errorf("%s: its loader %s: %w", real, o.interp, err)
	}
	f.add(at, true)
	main := &library{object: o, name: real}
	m := machineOf(o.kind)
	l := loading{Finder: f, machine: m, kind: o.kind, interp: o.interp, musl: isMusl(o.interp), main: main,
		have: map[string]bool{path.Base(o.interp): true, loader.soname: true}, last: f.lastDirs(m, o.interp)}
	for queue := []*library{main}; len(queue) > 0; queue = queue[1:] {
		by := queue[0]
		for _, n := range by.needed {
			if n.tag != dtNeeded && l.musl {
				continue
			}
			libs, err := l.find(n.name, by)
			if err == errNoLibrary && n.tag == dtAuxiliary {
				continue
			}
			if err != nil {
				return fmt.Errorf("%s needs %s: %w", by.name, n.name, err)
			}
			queue = append(queue, libs...)
		}
	}
	if len(o.needed) > 0 {
		f.configuration(o.interp)
	}
	return nil
}

// configuration adds the file in which the loader finds out where libraries are.
func (f *Finder) configuration(interp string) {
	name := cacheFile
	if isMusl(interp) {
		name = muslPath(interp)
	}
	if real, st, err := f.Root.resolve(name); err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG {
		f.add(real, false)
	}
}
