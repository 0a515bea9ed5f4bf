package access

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A Record is what was used.
type Record struct {
	// Files are rights by the name of a file or directory that exists, without symbolic
	// links. Of what was created, the rights are those of the directory in which it was.
	Files map[string]Use
	// Created are the names of what was created, except below what was.
	Created map[string]bool
	// Moves are links and renames between directories.
	Moves []Move
	// BindTCP and ConnectTCP are ports.
	BindTCP, ConnectTCP []uint16
	// Abstract is set if an abstract UNIX socket was connected, or sent to, that is not one
	// of the recorded processes, and Signals if another process was sent a signal.
	Abstract, Signals bool
	// Mounts is set if mounts were changed, which a domain with rights on files forbids.
	Mounts bool
	// Altered are the files whose attributes were changed, or of which access(2) has told that
	// they may be written, and AlteredUnseen is set if there are others, which could not be
	// seen. No right of landlock(7) is for that.
	Altered       map[string]bool
	AlteredUnseen bool
	// Internet is set if Internet sockets were used, Remote if other machines were, Shared if
	// ports of other processes of this one were, or if others may have reached the payload at
	// a port or an abstract UNIX socket, and OtherSockets if sockets of another kind were made,
	// such as those of netlink(7).
	Internet, Remote, Shared, OtherSockets bool
	// Unseen says what could not be recorded.
	Unseen []string
	// List lists a directory; it works until the recorder is closed.
	List func(dir string) []string

	tree *tree
	// keys are the directories of which it is known whether they have keys and passwords.
	keys map[string]bool
}

// A Use is what was used of a file or directory: bits of LANDLOCK_ACCESS_FS_*.
type Use struct {
	Rights uint64
	Dir    bool
}

// A Move is a link or rename from one directory to another one. Dir is set if a directory was
// moved.
type Move struct {
	From, To string
	Dir      bool
}

// ErrNothing is the error of [Recorder.Record] if no program was executed, or if its root
// directory could not be looked at.
var ErrNothing = errors.New("nothing could be recorded")

// Record is what has been recorded.
func (r *Recorder) Record() (*Record, error) {
	if r.tree == nil {
		return nil, ErrNothing
	}
	r.settle()
	rec := &Record{Files: map[string]Use{}, Abstract: r.outside, Signals: r.others, Mounts: r.mounts,
		Internet: r.internet, Remote: r.remote, Shared: r.shared() || len(r.abstract) > 0, OtherSockets: r.other,
		Altered: r.attributes, AlteredUnseen: r.alteredUnseen, List: r.tree.list, tree: r.tree, Created: map[string]bool{},
		BindTCP: slices.Sorted(maps.Keys(r.binds)), ConnectTCP: slices.Sorted(maps.Keys(r.connects))}
	for name := range r.created {
		rec.Created[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(r.files)) {
		used := r.files[name]
		at, dir, err := r.existing(name, used)
		if err != nil {
			r.refuse(name, err)
			continue
		}
		u := rec.Files[at]
		rec.Files[at] = Use{u.Rights | used.rights, dir}
	}
	for m := range r.moves {
		from, _, err := r.existing(m.from, r.files[m.from])
		to, _, err2 := r.existing(m.to, r.files[m.to])
		if err == nil && err2 == nil && from != to {
			rec.Moves = append(rec.Moves, Move{from, to, m.dir})
		}
	}
	for id := range r.tree.dead {
		at := r.tree.now[id].point
		if at == "" {
			at = "of a file that is in no directory of the payload"
		}
		r.note("a file system does not answer, so that no rule is for what is in it: " + unescapeMount(at))
	}
	rec.Unseen = slices.Concat(r.unseen, r.refused)
	return rec, nil
}

// Close frees what the record is read from.
func (r *Recorder) Close() {
	if r.tree != nil {
		r.tree.close()
		r.tree = nil
	}
}

// existing is a name for which a rule can be made: it leads to what was used, or is the
// directory in which that was until it was removed.
func (r *Recorder) existing(name string, u use) (at string, dir bool, err error) {
	if u.process && name != "/proc" {
		return name, name == self || u.dir || slices.Contains([]string{"task", "fd", "fdinfo", "map_files"}, strings.TrimPrefix(name, self+"/")), nil
	}
	s, err := r.tree.exact(name)
	switch {
	case err == nil && s.there && s.id() == u.id:
		return name, u.dir, nil
	case err == nil && s.there && r.tree.inProc(s.object, u.id):
		return name, u.dir, nil
	case err == unix.EACCES && u.unsearchable:
		return name, u.dir, nil
	case err == errStuck || err == errMounted:
		return "", false, err
	}
	was, ok := r.lasting(name)
	if gone, removed := first(r.gone, name); removed && (!ok || len(gone.name) < len(was.name)) {
		was, ok = gone, true
	}
	if !ok {
		return "", false, errOr(err)
	}
	s, err = r.tree.exact(was.name)
	if err == nil && s.there && s.id() == was.id {
		return was.name, true, nil
	}
	return "", false, errOr(err)
}

func errOr(err error) error {
	if err == nil {
		return errReplaced
	}
	return err
}

// Look reports whether a name exists in the root directory of the first program, and whether
// it is a directory. What may not be looked at is taken to exist.
func (rec *Record) Look(name string) (there, dir bool) {
	s, err := rec.tree.lookup(name, false)
	if err != nil {
		return err != unix.ENOENT && err != unix.ENOTDIR, false
	}
	return s.there, s.kind() == unix.S_IFDIR
}

// Real is the name without symbolic links of what a name leads to in the root directory of the
// first program, and whether that is a directory. ok is false if it does not exist, or may not
// be looked at.
func (rec *Record) Real(name string) (real string, dir, ok bool) {
	s, err := rec.tree.lookup(name, true)
	if err != nil || !s.there {
		return "", false, false
	}
	return s.object.name, s.kind() == unix.S_IFDIR, true
}

// Same reports whether a name leads to the same file there and for this process.
func (rec *Record) Same(name string) bool {
	there, err := rec.tree.lookup(name, false)
	if err != nil || !there.there {
		return false
	}
	var here unix.Statx_t
	var failed error
	if !Patiently(func() { failed = statx(unix.AT_FDCWD, name, &here) }) {
		return false
	}
	return failed == nil && there.id() == idOf(&here)
}
