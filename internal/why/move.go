package why

import (
	"fmt"
	"path"
	"strings"

	"hk/pkg/getopt"
	"hk/pkg/landlock"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

const refer = landlock.Access(unix.LANDLOCK_ACCESS_FS_REFER)

// onFile are the rights that a file can have.
const onFile = execute | readFile | writeFile | truncate | ioctlDev | landlock.Access(unix.LANDLOCK_ACCESS_FS_RESOLVE_UNIX)

// move answers a question about rename(2) or link(2), apart from permissions.
func (s *subject) move(q question, seen stage.Seen) (list []reason) {
	from, to := s.directory(q, seen.Path), s.directory(q, q.to)
	to.Path = path.Clean(to.Path)
	list = s.mounts(q, seen, to)
	if q.kind == "rename" {
		list = append(list, s.mounts(q, seen, from)...)
	}
	if t := q.tried; t != nil && t.mounts[0] != t.mounts[1] {
		r := reason{class: byMounts, verdict: denied, what: fmt.Sprintf("%s and %s are on different mounts", from.Path, to.Path)}
		if s.state.NS.New&unix.CLONE_NEWNS == 0 {
			r.class = notSandbox
		}
		list = append(list, r)
	}
	return append(list, s.moveRights(q, seen, from.Path, to.Path)...)
}

// directory is what the payload finds at the directory that a path names something in.
func (s *subject) directory(q question, p string) stage.Seen {
	dir := path.Dir(strings.TrimRight(p, "/"))
	at, err := s.see(dir)
	if err != nil || at.Unsure != "" && q.tried != nil {
		return stage.Seen{Path: dir, There: true, Dir: true}
	}
	return at
}

// moveRights is what Landlock refuses of it.
func (s *subject) moveRights(q question, seen stage.Seen, from, to string) (list []reason) {
	var atFrom, atTo landlock.Access
	node, gone := makeReg, rmFile
	if t := q.tried; t != nil {
		node = nodeOf(t.mode)
	}
	if seen.Dir {
		node, gone = landlock.Access(unix.LANDLOCK_ACCESS_FS_MAKE_DIR), rmDir
	}
	atTo = node
	if q.kind == "rename" {
		atFrom = gone
	}
	if t := q.tried; t != nil && t.toMode != 0 && q.kind == "rename" {
		if atTo |= rmFile; t.toMode&unix.S_IFMT == unix.S_IFDIR {
			atTo = atTo&^rmFile | rmDir
		}
		if q.exchange {
			atFrom |= nodeOf(t.toMode)
		}
	}
	if from != to {
		atFrom, atTo = atFrom|refer, atTo|refer
	}
	for _, d := range s.domains {
		a, b := s.missing(d, from, atFrom), s.missing(d, to, atTo)
		if from == to {
			a, b = a|b, 0
		}
		var where []string
		var paths []string
		var places []place
		for _, m := range []struct {
			missing landlock.Access
			at      string
		}{{a, from}, {b, to}} {
			if m.missing != 0 {
				where = append(where, m.missing.Names()+" on "+m.at)
				places = append(places, place{m.at, m.missing})
				paths = append(paths, string(getopt.Escape(m.at, ",")))
			}
		}
		if where != nil {
			list = append(list, reason{class: byLandlock, verdict: denied, what: "no rule allows " + strings.Join(where, ", or "),
				stage: "hk-landlock", flags: []string{"--rw", strings.Join(paths, ",")}, places: places})
		} else if from != to {
			list = append(list, s.gains(d, q, seen, from, to)...)
		}
	}
	return list
}

// gains is what Landlock refuses because the file would have rights in another directory
// that it does not have here.
func (s *subject) gains(d *domain, q question, seen stage.Seen, from, to string) (list []reason) {
	for _, way := range [][2]string{{from, to}, {to, from}} {
		more := d.files &^ s.missing(d, way[1], d.files) & s.missing(d, way[0], d.files)
		if !seen.Dir {
			more &= onFile
		}
		if more != 0 {
			list = append(list, reason{class: byLandlock, verdict: denied, stage: "hk-landlock",
				what:  fmt.Sprintf("%s allows %s, and no rule does on %s", way[1], more.Names(), way[0]),
				flags: []string{"--allow", string(getopt.Escape(way[0], ",:")) + ":" + more.Names()}})
		}
		if !q.exchange {
			break
		}
	}
	return list
}
