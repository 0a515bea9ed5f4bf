package mount

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"

	"hk/pkg/host"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// directory creates a directory. It may exist already.
func (b *builder) directory(e Entry) error {
	mode := uint32(0o755)
	if e.Options != "" {
		n, err := strconv.ParseUint(e.Options, 8, 32)
		if err != nil || n > 0o7777 {
			return fmt.Errorf("%q is not an octal mode", e.Options)
		}
		mode = uint32(n)
	}
	at, err := b.follow(e.Target, true)
	switch {
	case err != nil:
		return err
	case !at.known && at.inside.writable && !at.isRoot():
		parent, name := b.makeParents(at)
		b.Add(plan.Mkdirat(plan.Ref(parent), name, mode).Tolerate(unix.EEXIST), plan.Close(parent))
		return nil
	case !at.known && e.Options != "":
		return fmt.Errorf("it is in %s, where modes are never changed", at.inside.what)
	case !at.known:
		b.Add(plan.Close(b.lookup(at, unix.O_DIRECTORY)))
		return nil
	case at.node == nil:
		b.Add(plan.Mkdirat(plan.Ref(at.base), at.path, mode))
		at.parent.children[at.name] = newDir()
		return nil
	case at.node.kind == file:
		return unix.ENOTDIR
	case e.Options != "":
		d := b.Open("dir", plan.Openat(plan.Ref(at.base), at.path, unix.O_DIRECTORY|unix.O_CLOEXEC, 0))
		b.Add(plan.Fchmod(d, mode), plan.Close(d))
	}
	return nil
}

// create finds the place for a new name, and rejects one that exists.
func (b *builder) create(target string) (place, error) {
	at, err := b.locate(target, true)
	switch {
	case err != nil:
		return at, err
	case at.isRoot() || at.known && at.parent == nil:
		return at, errors.New("the root itself")
	case !at.known && at.inside.writable:
		at.base, at.path = b.makeParents(at)
	case !at.known:
		return at, fmt.Errorf("it would have to be created in %s, where nothing is ever created: mount a --tmpfs there first", at.inside.what)
	}
	return at, nil
}

// maxFile is the maximum size of a file's content, which is part of the plan.
const maxFile = 16 << 20

func (b *builder) file(e Entry) error {
	content := []byte(e.Source)
	if e.Kind == FileFrom {
		var err error
		if content, err = b.read(e.Source, maxFile); err != nil {
			return fmt.Errorf("%s: %w", e.Source, err)
		}
	}
	at, err := b.create(e.Target)
	if err != nil {
		return err
	}
	if at.node != nil {
		return unix.EEXIST
	}
	f := b.Open("file", plan.Openat(plan.Ref(at.base), at.path,
		unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o644))
	if len(content) > 0 {
		b.Add(plan.Write(f, content))
	}
	b.Add(plan.Close(f))
	b.created(at, &node{kind: file})
	return nil
}

// read reads a host file or standard input.
func (b *builder) read(name string, max int64) ([]byte, error) {
	p := name
	if p != "-" && !filepath.IsAbs(p) {
		p = b.Host.Dir + "/" + p
	}
	if name == "-" || p[0] != '/' {
		return host.ReadInput(name, max)
	}
	found, err := b.Host.Look(p)
	if errno := unix.Errno(0); err != nil && !errors.As(err, &errno) {
		return nil, err
	}
	if !found.Loose {
		return host.ReadInput(name, max)
	}
	return found.Read(max)
}

// symlink creates a symbolic link. One with the same target may exist already.
func (b *builder) symlink(e Entry) error {
	if e.Source == "" {
		return errors.New("an empty link target")
	}
	at, err := b.create(e.Target)
	if err != nil {
		return err
	}
	if at.node != nil {
		if at.node.kind == link && at.node.target == e.Source {
			return nil
		}
		return unix.EEXIST
	}
	b.Add(plan.Symlinkat(e.Source, plan.Ref(at.base), at.path))
	b.created(at, &node{kind: link, target: e.Source})
	return nil
}

// created records what was created in the place found by create.
func (b *builder) created(at place, n *node) {
	if at.known {
		at.parent.children[at.name] = n
	} else {
		b.Add(plan.Close(at.base))
	}
}
