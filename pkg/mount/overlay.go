package mount

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"hk/pkg/getopt"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// layers are the layer options of an overlay.
type layers struct {
	lower       []string
	upper, work string
}

// parseLayers parses lower=A:B,upper=U,work=W.
func parseLayers(s string) (layers, error) {
	var l layers
	for _, o := range getopt.Value(s).Split(',') {
		key, value, ok := o.Cut('=')
		if !ok || value == "" {
			return l, fmt.Errorf("option %q is not lower=, upper= or work=", o)
		}
		switch {
		case key == "lower" && l.lower == nil:
			for _, dir := range value.Split(':') {
				l.lower = append(l.lower, dir.Text())
			}
		case key == "upper" && l.upper == "":
			l.upper = value.Text()
		case key == "work" && l.work == "":
			l.work = value.Text()
		default:
			return l, fmt.Errorf("option %s is unknown or repeated", key)
		}
	}
	if slices.Contains(l.lower, "") {
		return l, errors.New("an empty path in lower")
	}
	return l, nil
}

// overlay mounts an overlay of host directories.
func (b *builder) overlay(e Entry) error {
	l, err := parseLayers(e.Options)
	switch {
	case err != nil:
		return err
	case e.Kind == ReadOnlyOverlay && (l.upper != "" || l.work != ""):
		return errors.New("a read-only overlay has no upper or work directory")
	case e.Kind == Overlay && (l.upper == "" || l.work == ""):
		return errors.New("an overlay has lower, upper and work directories")
	}
	return b.overlayOf(l, e.Target, nosuidNodev)
}

// overlayOf mounts an overlay of layers, with additional params. Without an upper
// directory it is read-only.
func (b *builder) overlayOf(l layers, target string, attrs uint64, params ...[2]string) error {
	switch {
	case len(l.lower) == 0 || (l.upper == "") != (l.work == ""):
		return errors.New("an overlay has lower, upper and work directories")
	case l.upper == "" && len(l.lower) < 2:
		return errors.New("a read-only overlay has two or more lower directories: for one, use --ro")
	}
	dirs := l.dirs()
	for i, dir := range dirs {
		src, err := b.source(dir)
		if err == nil && !src.isDir {
			err = unix.ENOTDIR
		}
		if err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
		dirs[i] = src.real
	}
	at, err := b.mountPoint(target, true)
	if err != nil {
		return err
	}
	upper, work := "", ""
	if l.upper != "" {
		upper, work = dirs[len(l.lower)], dirs[len(l.lower)+1]
	} else {
		attrs |= unix.MOUNT_ATTR_RDONLY
	}
	b.attach(b.newOverlay(dirs[:len(l.lower)], upper, work, attrs, params...), at, newForeign("an overlay"))
	return nil
}

// dirs are the directories of the layers: the lower ones and, if given, the upper and
// the work directory.
func (l layers) dirs() []string {
	dirs := slices.Clone(l.lower)
	if l.upper != "" {
		dirs = append(dirs, l.upper, l.work)
	}
	return dirs
}

// tmpOverlay makes a host directory writable; changes are kept in a tmpfs and finally
// discarded.
func (b *builder) tmpOverlay(e Entry) error {
	src, err := b.source(e.Source)
	if err == nil && !src.isDir {
		err = unix.ENOTDIR
	}
	if err != nil {
		return err
	}
	at, err := b.mountPoint(e.Target, true)
	if err != nil {
		return err
	}
	// The upper directory must be in a mount of this namespace: until the overlay
	// exists, the tmpfs is mounted where the overlay will be.
	upper := b.newMount("tmpfs", nosuidNodev, [2]string{"mode", "0755"})
	if at.known {
		b.Add(plan.MoveMount(upper, plan.Ref(at.base), at.path))
	} else {
		where := b.lookup(at, 0)
		b.Add(plan.MoveMount(upper, plan.Ref(where), ""), plan.Close(where))
	}
	as := newForeign("an overlay on " + src.path)
	as.source = src.path
	as.writable = true
	m := b.overTmpfs(src, upper)
	b.Add(plan.Close(upper))
	b.attach(m, at, as)
	return nil
}

// overTmpfs returns a detached overlay of a directory whose changes go to a tmpfs. The
// tmpfs is attached somewhere, and then detached.
func (b *builder) overTmpfs(src source, tmpfs *plan.Result) *plan.Result {
	b.Add(plan.Mkdirat(plan.Ref(tmpfs), "upper", 0o755), plan.Mkdirat(plan.Ref(tmpfs), "work", 0o755))
	lower := src.real
	if src.loose {
		// An overlay accepts only names, but here nobody else can change what they
		// refer to.
		lower = "lower"
		tree := b.clone("lower", src, plan.MountAttr{Set: nosuidNodev}, 0)
		b.Add(plan.Mkdirat(plan.Ref(tmpfs), lower, 0o700),
			plan.MoveMount(tree, plan.Ref(tmpfs), lower), plan.Close(tree))
	}
	// The two names are resolved from the working directory.
	b.Add(plan.Fchdir(tmpfs))
	m := b.newOverlay([]string{lower}, "upper", "work", nosuidNodev)
	// The overlay has what it needs. In the stack of mounts the tmpfs would be one too
	// many: below a root, it would be detached instead of the old root.
	b.Add(plan.UmountDetach("."))
	return m
}

// newOverlay creates a detached overlay mount.
func (b *builder) newOverlay(lower []string, upper, work string, attrs uint64, more ...[2]string) *plan.Result {
	escaped := make([]string, len(lower))
	for i, dir := range lower {
		// The kernel interprets colons in a path in the same way as the flags do.
		escaped[i] = string(getopt.Escape(dir, ":"))
	}
	params := [][2]string{{"lowerdir", strings.Join(escaped, ":")}}
	if upper != "" {
		params = append(params, [2]string{"upperdir", upper}, [2]string{"workdir", work})
	}
	userxattr := [2]string{"userxattr"}
	if b.InUserNS() && !slices.Contains(more, userxattr) {
		// trusted.* attributes work only in the initial user namespace (Linux 5.11).
		params = append(params, userxattr)
	}
	params = append(params, more...)
	return b.newMount("overlay", attrs, params...)
}
