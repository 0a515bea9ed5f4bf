package bwrap

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"hk/pkg/cause"
	"hk/pkg/mount"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// is reports whether it is the flag of an entry of one of these kinds.
func (f asked) is(kinds ...mount.EntryKind) bool {
	return slices.ContainsFunc(kinds, func(k mount.EntryKind) bool { return f.name == "--"+string(k) })
}

// target is the path in the root that the flag of an entry names.
func (f asked) target() string {
	if i := strings.LastIndex(f.value, ":/"); i > 0 {
		return f.value[i+1:]
	}
	return f.value
}

// entryMessage is about an option that cannot be done with what is known in advance.
func (l *line) entryMessage(err *mount.EntryError) string {
	e, at := err.Entry, err.Entry.Target
	var there *mount.ExistsError
	var content *mount.ContentError
	var errno unix.Errno
	switch {
	case errors.As(err, &content) && errors.As(err, &errno):
		return fmt.Sprintf("Can't write data to file %s: %s", at, reason(errno))
	case errors.As(err, &there) && there.Link != "":
		return fmt.Sprintf("Can't make symlink at %s: existing destination is %s", at, there.Link)
	case errors.As(err, &there):
		return fmt.Sprintf("Can't make symlink at %s: destination exists and is not a symlink", at)
	case errors.Is(err, mount.ErrNotCreated):
		return l.cannotCreate(e.Kind, at, unix.EROFS)
	case e.Kind == mount.Chmod:
		return l.chmodMessage(err)
	case errors.Is(err, mount.ErrIsFile):
		return noParents(at, unix.ENOTDIR)
	case errors.Is(err, unix.ELOOP):
		return noParents(at, unix.ELOOP)
	case e.Kind == mount.FileFrom && errors.Is(err, mount.ErrLink):
		return l.cannotCreate(e.Kind, at, unix.ELOOP)
	case e.Kind == mount.FileFrom && errors.Is(err, unix.EISDIR):
		return l.cannotCreate(e.Kind, at, unix.EISDIR)
	case e.Kind == mount.ReadOnly && errors.Is(err, unix.ENOENT):
		return l.cannotCreate(e.Kind, at, unix.ENOENT)
	case e.Kind == mount.Directory && (errors.Is(err, mount.ErrLink) || errors.Is(err, unix.ENOTDIR)), errors.Is(err, mount.ErrOnFile):
		return "Destination is not a directory " + at
	case errors.Is(err, mount.ErrOnDirectory):
		return "Destination is not a file " + at
	case errors.Is(err, mount.ErrNamespace):
		return fmt.Sprintf("Can't mount %s on %s: %s: %s", e.Kind, at, reason(unix.EPERM), err.Err)
	case errors.Is(err, mount.ErrLink):
		return "Can't mount on symlink destination " + at
	}
	return inItsWords(err.Error())
}

// chmodMessage is about a mode that is not changed.
func (l *line) chmodMessage(err *mount.EntryError) string {
	at := err.Entry.Target
	open := func(errno unix.Errno) string { return fmt.Sprintf("Can't open %s: %s", at, reason(errno)) }
	change := func(errno unix.Errno) string {
		return fmt.Sprintf("Can't chmod %s %s: %s", err.Entry.Options, at, reason(errno))
	}
	switch {
	case errors.Is(err, mount.ErrIsFile):
		return open(unix.ENOTDIR)
	case errors.Is(err, unix.ELOOP):
		return open(unix.ELOOP)
	case errors.Is(err, unix.ENOENT), errors.Is(err, mount.ErrNotChanged) && l.missing(at):
		return open(unix.ENOENT)
	case errors.Is(err, mount.ErrLink):
		return change(unix.EOPNOTSUPP)
	case errors.Is(err, mount.ErrNotChanged):
		return change(unix.EROFS)
	}
	return inItsWords(err.Error())
}

// mountMessage is about the root, when it is made, or "".
func (l *line) mountMessage(op *plan.Error, f asked) string {
	why, at := reason(op.Errno), f.target()
	switch {
	case op.Because == cause.MountPoint && f.is(mount.ReadOnly):
		return l.cannotCreate(mount.ReadOnly, at, unix.ENOENT)
	case op.Because == cause.MountPoint:
		return l.cannotCreate("", at, unix.EROFS) // nothing is created there: it is not writable
	case f.is(mount.Chmod) && op.Call == "fchmod":
		return fmt.Sprintf("Can't chmod %s: %s", at, why)
	case f.is(mount.Chmod):
		return fmt.Sprintf("Can't open %s: %s", at, why)
	case f.is(mount.Directory) && op.Errno == unix.ENOTDIR:
		return "Destination is not a directory " + at
	case op.Call == "move_mount" && op.Errno == unix.EINVAL:
		return l.mismatch(f)
	case f.is(mount.Proc):
		return procMessage(op, f)
	case f.is(mount.Overlay, mount.TmpOverlay, mount.ReadOnlyOverlay) && op.Call == "fsconfig":
		return withHint(overlayMessage(op, at), op)
	case op.Call == "symlinkat":
		return l.cannotCreate(mount.Symlink, at, op.Errno)
	case op.Call == "mkdirat" || op.Call == "mknodat", f.is(mount.FileFrom) && (op.Call == "openat" || op.Call == "openat2"):
		return l.cannotCreate("", at, op.Errno)
	}
	return ""
}

// overlayMessage is about layers of which the kernel makes no overlay.
func overlayMessage(op *plan.Error, at string) string {
	text := fmt.Sprintf("Can't make overlay mount on %s: ", at)
	if op.Errno == unix.ELOOP {
		return text + "Overlay directories may not overlap"
	}
	if text += reason(op.Errno); op.Log != "" {
		text += ": " + op.Log
	}
	return text
}

// cannotCreate is about a place in the root where something is missing that cannot be created.
func (l *line) cannotCreate(kind mount.EntryKind, at string, errno unix.Errno) string {
	switch {
	case l.missing(path.Dir(at)):
		if errno == unix.ENOENT {
			errno = unix.EROFS
		}
		return noParents(at, errno)
	case kind == mount.Symlink:
		return fmt.Sprintf("Can't make symlink at %s: %s", at, reason(errno))
	}
	return fmt.Sprintf("Can't create file %s: %s", at, reason(errno))
}

// noParents is about the directories on the way to a place in the root.
func noParents(at string, errno unix.Errno) string {
	return fmt.Sprintf("Can't mkdir parents for %s: %s", at, reason(errno))
}

// missing reports whether a path in the root does not exist, as far as that can be seen on
// the host, where the root may be in the making: it is for words alone.
func (l *line) missing(p string) bool {
	for i := len(l.Settings.Ops) - 1; i >= 0; i-- {
		o := l.Settings.Ops[i]
		rest, below := strings.CutPrefix(p+"/", strings.TrimSuffix(absolute(o.Dest), "/")+"/")
		switch {
		case !below || o.Name == "remount-ro" || o.Name == "chmod" || p == absolute(o.Dest):
		case o.Source != "" && (strings.HasSuffix(o.Name, "bind") || strings.HasSuffix(o.Name, "bind-try")):
			_, err := os.Stat(path.Join(o.Source, rest))
			return errors.Is(err, fs.ErrNotExist)
		default:
			return false
		}
	}
	return false
}

// mismatch is about a file that is to be mounted on a directory, or the other way round.
func (l *line) mismatch(f asked) string {
	what := "directory"
	if f.is(mount.Data, mount.WritableData) {
		what = "file"
	}
	for _, o := range l.Settings.Ops {
		if o.file && absolute(o.Dest) == f.target() {
			what = "file"
		}
	}
	return fmt.Sprintf("Destination is not a %s %s", what, f.target())
}

// procMessage is about a procfs. Programs look for the text that bubblewrap has before
// 0.12, and for that of later ones, which goes without /newroot.
func procMessage(op *plan.Error, f asked) string {
	target, _, _ := strings.Cut(f.value, ":")
	why := reason(op.Errno)
	return withHint(fmt.Sprintf("Can't mount proc on /newroot%s: %s (Can't mount proc on %s: %s)", target, why, target, why), op)
}
