package access

import (
	"errors"
	"maps"
	"path"
	"slices"

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
	// Internet is set if Internet sockets were used, and Remote if other machines were.
	Internet, Remote bool
	// Unseen says what could not be recorded.
	Unseen []string
	// List lists a directory; it works until the recorder is closed.
	List func(dir string) []string

	tree *tree
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
	rec := &Record{Files: map[string]Use{}, Abstract: r.outside, Signals: r.others, Mounts: r.mounts,
		Internet: r.internet, Remote: r.remote, Unseen: r.unseen, List: r.tree.list, tree: r.tree, Created: r.created,
		BindTCP: slices.Sorted(maps.Keys(r.binds)), ConnectTCP: slices.Sorted(maps.Keys(r.connects))}
	if r.tree.stuck {
		r.note(errStuck.Error())
		rec.Unseen = r.unseen
	}
	for name, rights := range r.files {
		name, dir := r.existing(name)
		u := rec.Files[name]
		rec.Files[name] = Use{u.Rights | rights, dir}
	}
	for m := range r.moves {
		from, _ := r.existing(m.from)
		to, _ := r.existing(m.to)
		if from != to {
			rec.Moves = append(rec.Moves, Move{from, to, m.dir})
		}
	}
	return rec, nil
}

// Close frees what the record is read from.
func (r *Recorder) Close() {
	if r.tree != nil {
		r.tree.close()
		r.tree = nil
	}
}

// existing is a name for which a rule can be made: that of the nearest directory above, if it
// does not exist. What may not be looked at is taken to be as it was.
func (r *Recorder) existing(name string) (string, bool) {
	const self = "/proc/self"
	if name == self || path.Dir(name) == self {
		return name, name == self || name == self+"/task" || name == self+"/fd" || name == self+"/fdinfo" || name == self+"/net" || name == self+"/ns" || name == self+"/attr"
	}
	for {
		st, err := r.tree.stat(name)
		if name == "/" || err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
			return name, true
		}
		if err == nil || err != unix.ENOENT && err != unix.ENOTDIR {
			return name, false
		}
		name = path.Dir(name)
	}
}

// Look reports whether a name exists in the root directory of the first program, and whether
// it is a directory. What may not be looked at is taken to exist.
func (rec *Record) Look(name string) (there, dir bool) {
	st, err := rec.tree.stat(name)
	return err != unix.ENOENT && err != unix.ENOTDIR, st.Mode&unix.S_IFMT == unix.S_IFDIR
}

// Same reports whether a name leads to the same file there and for this process.
func (rec *Record) Same(name string) bool {
	var here unix.Stat_t
	there, err := rec.tree.stat(name)
	return err == nil && unix.Lstat(name, &here) == nil && there.Dev == here.Dev && there.Ino == here.Ino
}
