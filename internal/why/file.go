package why

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"hk/pkg/execdeps"
	"hk/pkg/getopt"
	"hk/pkg/host"
	"hk/pkg/landlock"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

const (
	execute   = landlock.Access(unix.LANDLOCK_ACCESS_FS_EXECUTE)
	readFile  = landlock.Access(unix.LANDLOCK_ACCESS_FS_READ_FILE)
	readDir   = landlock.Access(unix.LANDLOCK_ACCESS_FS_READ_DIR)
	writeFile = landlock.Access(unix.LANDLOCK_ACCESS_FS_WRITE_FILE)
	truncate  = landlock.Access(unix.LANDLOCK_ACCESS_FS_TRUNCATE)
	makeReg   = landlock.Access(unix.LANDLOCK_ACCESS_FS_MAKE_REG)
	rmFile    = landlock.Access(unix.LANDLOCK_ACCESS_FS_REMOVE_FILE)
	rmDir     = landlock.Access(unix.LANDLOCK_ACCESS_FS_REMOVE_DIR)
	ioctlDev  = landlock.Access(unix.LANDLOCK_ACCESS_FS_IOCTL_DEV)
	resolve   = landlock.Access(unix.LANDLOCK_ACCESS_FS_RESOLVE_UNIX)
)

// errNowhere is the error for a path that leads nowhere.
var errNowhere = errors.New("it does not exist")

// see is what the payload finds at a path.
func (s *subject) see(p string) (stage.Seen, error) {
	if see := s.state.Root.See; see != nil {
		return see(p)
	}
	seen := stage.Seen{Path: path.Clean(p)}
	found, err := s.host.Look(p)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR):
		dir, err := s.host.Look(path.Dir(seen.Path))
		if err != nil || !dir.IsDir || seen.Path == "/" {
			return seen, errNowhere
		}
		if seen.Unsure = throughProcfs(dir); seen.Unsure == "" {
			seen.Path = path.Join(dir.Straight, path.Base(seen.Path))
		}
		return seen, nil
	case err != nil:
		seen.Unsure = "it cannot be looked at: " + unwrapped(err).Error()
		return seen, nil
	}
	if seen.Unsure = throughProcfs(found); seen.Unsure != "" {
		return seen, nil
	}
	seen.Path, seen.There, seen.Dir, seen.Source = found.Straight, true, found.IsDir, found.Straight
	if s.host.InProcfs(path.Dir(seen.Path)) || found.IsDir && s.host.InProcfs(seen.Path) {
		seen.Unsure, seen.Source = inProcfs, ""
	}
	return seen, nil
}

const inProcfs = "it is in a procfs, which has other files for each process"

// throughProcfs says why it is not known what the payload finds at a path.
func throughProcfs(f host.Found) string {
	if f.Straight == "" {
		return "a symbolic link of procfs, or a .. after one, leads elsewhere for each process"
	}
	return ""
}

func unwrapped(err error) error {
	for u := err; u != nil; u = errors.Unwrap(u) {
		err = u
	}
	return err
}

// callOf is the call that a question about a file is about.
var callOf = map[string][]string{"read": {"openat"}, "write": {"openat"}, "create": {"openat"}, "remove": {"unlinkat"}, "exec": {"execve"}}

// file answers a question about a file.
func (s *subject) file(q question) []reason {
	list := s.calls(callOf[q.kind]...)
	return append(list, s.place(q)...)
}

// place is what is refused at the place of the file, and not by a filter.
func (s *subject) place(q question) (list []reason) {
	seen, err := s.see(q.path)
	if t := q.tried; t != nil && t.lost && (err != nil || !seen.Masked) {
		return s.tried(q)
	}
	if t := q.tried; t != nil && t.resolved {
		if at, e := s.see(t.path); e == nil {
			seen = at // without symbolic links, also those of a procfs
		}
		seen.Path, seen.There, seen.Dir, seen.Unsure, err = t.path, t.there, t.dir, "", nil
	}
	switch {
	case err != nil:
		return append(list, s.absent(q, seen))
	case seen.Masked:
		list = append(list, reason{class: byHidden, verdict: denied, what: seen.Path + " is covered by hk-mount --mask or --protect"})
		q.tried = nil // its modes are not those of the file
	case seen.Unsure != "":
		list = append(list, reason{class: unseen, verdict: unknown, what: q.path + ": " + seen.Unsure})
	case !seen.There && !q.found && q.kind != "write" && q.kind != "create":
		return append(list, s.absent(q, seen))
	}
	switch q.kind {
	case "rename", "link":
		return append(append(list, s.move(q, seen)...), s.permission(q, seen, seen)...)
	case "find":
		return append(list, s.tried(q)...)
	}
	at := seen // where the mount and the permissions count
	if q.kind == "create" || q.kind == "remove" || q.kind == "write" && !seen.There && seen.Unsure == "" {
		if at, err = s.see(path.Dir(seen.Path)); q.tried != nil && q.tried.resolved {
			at.Path, at.There, at.Dir, at.Unsure = path.Dir(seen.Path), true, true, ""
		} else if err != nil || at.Unsure == "" && !at.There && !q.found {
			return append(list, s.absent(question{text: q.text, kind: "read", path: path.Dir(q.path), found: q.found}, at))
		}
	}
	list = append(list, s.mounts(q, seen, at)...)
	list = append(list, s.rights(q, seen, at)...)
	return append(list, s.permission(q, seen, at)...)
}

// ofProcess reports whether a path leads to what a procfs has of a process, which is not the same
// one where it is mounted.
func ofProcess(p string) bool {
	rest, ok := strings.CutPrefix(p, "/proc/")
	first, _, _ := strings.Cut(rest, "/")
	_, err := strconv.Atoi(first)
	return ok && (err == nil || slices.Contains([]string{"self", "thread-self", "mounts", "net"}, first))
}

// devFiles are what hk-mount --dev makes.
var devFiles = []string{"/dev", "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr",
	"/dev/pts", "/dev/ptmx", "/dev/shm"}

// absent is the reason for a path that leads nowhere.
func (s *subject) absent(q question, seen stage.Seen) reason {
	if q.found {
		return reason{class: unseen, verdict: unknown, what: q.path + " has been made since the chain was planned"}
	}
	p, what := q.path, q.path
	if seen.LedTo != "" {
		p, what = seen.LedTo, q.path+" leads to "+seen.LedTo+", which"
	}
	if _, err := s.host.Lstat(p); err != nil || s.state.Root.See == nil {
		return reason{class: notSandbox, verdict: denied, what: what + " does not exist"}
	}
	r := reason{class: byHidden, verdict: denied, what: what + " is on the host, and not in the new root", stage: "hk-mount"}
	switch {
	case p == "/proc" || ofProcess(p):
		r.flags = []string{"--proc"}
	case slices.Contains(devFiles, p) || strings.HasPrefix(p, "/dev/fd/") || strings.HasPrefix(p, "/dev/pts/"):
		r.flags = []string{"--dev", "/dev"}
	case q.writes():
		r.flags = []string{"--rw", string(getopt.Escape(p, ":,"))}
	default:
		r.flags = []string{"--ro", string(getopt.Escape(p, ":,"))}
	}
	return r
}

// mounts is what the attributes of a mount refuse.
func (s *subject) mounts(q question, seen, at stage.Seen) (list []reason) {
	writes := q.writes()
	switch {
	case writes && at.Attrs&unix.MOUNT_ATTR_RDONLY != 0 && !s.isDevice(seen):
		r := reason{class: byReadOnly, verdict: denied, what: at.Path + " is on a mount that is read-only", stage: "hk-mount"}
		if at.Source != "" {
			word := getopt.Escape(at.Source, ":,")
			if at.Path != at.Source {
				word += ":" + getopt.Escape(at.Path, ":,")
			}
			r.flags = []string{"--rw", string(word)}
		} else {
			r.flags = []string{"--writable-root"}
			r.elsewhere = [][]string{{"--tmpfs", string(getopt.Escape(at.Path, ":,"))}}
		}
		list = append(list, r)
	case writes && at.Source != "" && s.host.ReadOnly(at.Source) && !s.isDevice(seen):
		list = append(list, reason{class: notSandbox, verdict: denied, what: at.Source + " is read-only on the host"})
	}
	if q.kind == "read" || q.kind == "write" || q.kind == "truncate" {
		list = append(list, s.nodev(q, seen)...)
	}
	switch noexec := seen.Path + " is on a mount from which nothing is executed"; {
	case q.kind != "exec":
	case seen.Attrs&unix.MOUNT_ATTR_NOEXEC != 0:
		list = append(list, reason{class: byNoexec, verdict: denied, what: noexec})
	case q.tried != nil && q.tried.noexec:
		list = append(list, reason{class: notSandbox, verdict: denied, what: noexec + ", on the host too"})
	}
	return list
}

// nodev is what a mount refuses of which no devices are opened.
func (s *subject) nodev(q question, seen stage.Seen) []reason {
	r := reason{class: byNodev, verdict: denied, what: seen.Path + " is a device on a mount of which no devices are opened"}
	switch {
	case seen.Attrs&unix.MOUNT_ATTR_NODEV != 0 && (q.tried != nil && q.tried.nodev || q.tried == nil && s.isNode(seen)):
		r.stage = "hk-mount"
		if seen.Source == "" {
			break
		}
		for _, p := range devices {
			if seen.Path == p {
				r.flags = []string{"--dev", "/dev"}
			}
		}
		if word := getopt.Escape(seen.Source, ":,"); r.flags == nil && seen.Path == seen.Source {
			r.flags = []string{"--dev-bind", string(word)}
		}
	case q.tried != nil && q.tried.nodev:
		r.class, r.what = notSandbox, r.what+", on the host too"
	default:
		return nil
	}
	return []reason{r}
}

// devices are those that hk-mount --dev has.
var devices = []string{"/dev/full", "/dev/null", "/dev/random", "/dev/tty", "/dev/urandom", "/dev/zero", "/dev/ptmx"}

// isNode reports whether a file of the host is a character or block device.
func (s *subject) isNode(seen stage.Seen) bool {
	if seen.Source == "" {
		return false
	}
	mode, err := s.host.Stat(seen.Source)
	return err == nil && mode&fs.ModeDevice != 0
}

// isDevice reports whether a file is a device, a FIFO or a socket, to which a read-only
// mount does not matter.
func (s *subject) isDevice(seen stage.Seen) bool {
	if seen.Source == "" {
		return false
	}
	mode, err := s.host.Stat(seen.Source)
	return err == nil && mode&(fs.ModeDevice|fs.ModeNamedPipe|fs.ModeSocket) != 0
}

// rights is what Landlock refuses.
func (s *subject) rights(q question, seen, at stage.Seen) (list []reason) {
	switch q.kind {
	case "read":
		need := readFile
		if seen.Dir {
			need = readDir
		}
		return s.need(seen.Path, need, seen.Unsure != "")
	case "write":
		if seen.There || seen.Unsure != "" {
			return s.need(seen.Path, writeFile, seen.Unsure != "")
		}
		return s.need(at.Path, makeReg|writeFile, at.Unsure != "")
	case "ioctl":
		return s.need(seen.Path, ioctlDev, seen.Unsure != "")
	case "socket":
		return s.need(seen.Path, resolve, seen.Unsure != "")
	case "attributes", "xattr", "chown":
		return nil
	case "truncate":
		return s.need(seen.Path, truncate, seen.Unsure != "")
	case "create":
		return s.need(at.Path, cmp.Or(q.node, makeReg), at.Unsure != "")
	case "remove":
		need := rmFile
		if seen.Dir {
			need = rmDir
		}
		return s.need(at.Path, need, at.Unsure != "")
	}
	return s.execution(seen)
}

// lasting is the path that a rule can be for: processes in a procfs come and go.
func lasting(p string) string {
	rest, ok := strings.CutPrefix(p, "/proc/")
	if ok && rest != "" && rest[0] >= '0' && rest[0] <= '9' {
		return "/proc"
	}
	return p
}

// need is what Landlock refuses of the rights on one path.
func (s *subject) need(p string, rights landlock.Access, unsure bool) (list []reason) {
	for _, d := range s.domains {
		missing := s.missing(d, p, rights)
		if missing == 0 {
			continue
		}
		r := reason{class: byLandlock, verdict: denied, what: fmt.Sprintf("no rule allows %s on %s", missing.Names(), p), stage: "hk-landlock",
			places: []place{{p, missing}}}
		p := lasting(p)
		path := string(getopt.Escape(p, ","))
		allow := []string{"--allow", string(getopt.Escape(p, ",:")) + ":" + missing.Names()}
		switch {
		case missing&^(readFile|readDir) == 0:
			r.flags = []string{"--ro", path}
		case missing&^(readFile|readDir|execute) == 0:
			r.flags = []string{"--rx", path}
		case missing&resolve != 0:
			r.flags = allow
		case missing&execute == 0:
			r.flags = []string{"--rw", path}
		default:
			r.flags = []string{"--rwx", path}
		}
		r.elsewhere = [][]string{allow}
		switch {
		case unsure:
			r.verdict = unknown
			r.what += ", if no symbolic link leads elsewhere"
		case d.later:
			r.verdict = unknown
			r.what += ", unless one is added while the chain runs, as by --exec-closure"
		}
		list = append(list, r)
	}
	return list
}

// execution is what Landlock refuses of what the execution of a file takes: the file, its
// interpreter and its loader, which are executed too, and libraries, which are read.
func (s *subject) execution(seen stage.Seen) (list []reason) {
	list = s.need(seen.Path, execute|readFile, seen.Unsure != "")
	if seen.Unsure != "" || seen.Dir || len(s.domains) == 0 && s.state.Root.See == nil {
		return list
	}
	guess := func(err error) []reason {
		return append(list, reason{class: unseen, verdict: unknown, what: fmt.Sprintf("what executing %s takes was not found: %v", seen.Path, err)})
	}
	// The files have the same names in a root that is a directory of the host.
	base := "/"
	if top, err := s.see("/"); err == nil && top.Source != "" {
		base = top.Source
	}
	fd, err := unix.Open(base, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return guess(err)
	}
	defer unix.Close(fd)
	find := execdeps.Finder{Root: execdeps.NewRoot(fd), Env: execdeps.EnvironmentOf(s.state.Env.List())}
	if err := find.Program(seen.Path); err != nil {
		return guess(err)
	}
	for _, f := range find.Files() {
		if f.Path == seen.Path {
			continue
		}
		at, err := s.see(f.Path)
		if err != nil || at.Unsure == "" && !at.There {
			r := s.absent(question{kind: "read", path: f.Path}, at)
			r.what += ", and " + seen.Path + " needs it"
			list = append(list, unlessOptional(f, r))
			continue
		}
		need := readFile
		if f.Execute {
			need |= execute
		}
		for _, r := range s.need(at.Path, need, at.Unsure != "") {
			list = append(list, unlessOptional(f, r))
		}
	}
	return list
}

// unlessOptional is the reason, which is not certain if the loader can do without the file.
func unlessOptional(f execdeps.File, r reason) reason {
	if f.Optional() {
		r.verdict = unknown
		r.what += ", but perhaps the libraries are found without it"
	}
	return r
}
