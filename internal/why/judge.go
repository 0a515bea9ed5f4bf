package why

import (
	"fmt"
	"os"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"hk/pkg/filter"
	"hk/pkg/landlock"
	"hk/pkg/plan"
	"hk/pkg/ptrace"

	"golang.org/x/sys/unix"
)

func native() *filter.Arch { return filter.Native(runtime.GOARCH) }

// archOf is the architecture of a call, or nil.
func archOf(c ptrace.Call) *filter.Arch { return filter.ArchOf(c.Arch, c.Nr) }

// nameOf is the name of a call, or its number.
func nameOf(c ptrace.Call) string {
	if arch := archOf(c); arch != nil {
		if name, ok := arch.CallName(c.Nr); ok {
			return name
		}
	}
	return "call " + strconv.Itoa(int(c.Nr))
}

// A takes says which arguments of a call are a directory, a path in it and flags; -1 is
// none.
type takes struct{ dir, path, flags int }

// paths are the calls of which a path is looked at.
var paths = map[string]takes{
	"open": {-1, 0, 1}, "openat": {0, 1, 2}, "openat2": {0, 1, -1}, "creat": {-1, 0, -1},
	"execve": {-1, 0, -1}, "execveat": {0, 1, -1},
	"mkdir": {-1, 0, -1}, "mkdirat": {0, 1, -1},
	"symlink": {-1, 1, -1}, "symlinkat": {1, 2, -1},
	"unlink": {-1, 0, -1}, "unlinkat": {0, 1, 2}, "rmdir": {-1, 0, -1}, "truncate": {-1, 0, -1},
	"chroot": {-1, 0, -1}, "umount2": {-1, 0, -1}, "pivot_root": {-1, 0, -1}, "mount": {-1, 1, -1},
	"chdir": {-1, 0, -1}, "stat": {-1, 0, -1}, "lstat": {-1, 0, -1}, "access": {-1, 0, -1},
	"newfstatat": {0, 1, -1}, "faccessat": {0, 1, -1}, "faccessat2": {0, 1, -1}, "statx": {0, 1, -1},
}

// asked is what a call on a path asks for: kinds of questions.
func (f *follower) asked(tid int, c ptrace.Call, name, p string, at takes) []string {
	flags := uint64(0)
	switch name {
	case "open", "openat":
		flags = c.Args[at.flags]
	case "openat2":
		flags = f.flags(tid, c.Args[2])
	case "creat":
		flags = unix.O_WRONLY | unix.O_CREAT | unix.O_TRUNC
	case "execve", "execveat":
		return []string{"exec"}
	case "mkdir", "mkdirat", "symlink", "symlinkat":
		return []string{"create"}
	case "unlink", "unlinkat", "rmdir":
		return []string{"remove"}
	case "truncate":
		return []string{"truncate"}
	default:
		return []string{"find"}
	}
	if flags&unix.O_PATH != 0 {
		return []string{"find"}
	}
	seen, err := f.see(p)
	missing := err == nil && seen.Unsure == "" && !seen.There
	kinds := map[uint64][]string{unix.O_RDONLY: {"read"}, unix.O_WRONLY: {"write"}, unix.O_RDWR: {"read", "write"}}[flags&unix.O_ACCMODE]
	switch {
	case missing && flags&unix.O_CREAT == 0:
		return []string{"find"}
	case missing && flags&unix.O_ACCMODE == unix.O_RDONLY:
		return []string{"create"}
	case missing: // it is created, and then opened
		return []string{"write"}
	case flags&unix.O_TRUNC != 0:
		return append([]string{"truncate"}, kinds...)
	}
	return kinds
}

// judge finds out what has refused a call that no filter has. known is false for a failure
// that is none of a sandbox, such as a file that does not exist on the host either.
func (f *follower) judge(tid int, c ptrace.Call, errno unix.Errno) (r reason, known bool) {
	name := nameOf(c)
	at, ok := paths[name]
	if _, takesCap := needsCap[name]; takesCap || !ok || archOf(c) != native() {
		return f.other(tid, c, name, errno)
	}
	p, why := f.path(tid, c, at)
	if why != "" {
		return reason{class: unseen, verdict: unknown, what: why}, errno != unix.ENOENT
	}
	var reasons []reason
	for _, kind := range f.asked(tid, c, name, p, at) {
		q := question{kind: kind, path: p, node: nodes[name], found: errno != unix.ENOENT}
		for _, r := range f.place(q) {
			r.question = q
			reasons = append(reasons, r)
		}
	}
	for _, class := range classesOf[errno] {
		for _, r := range reasons {
			if r.class == class && r.verdict == denied {
				if class == byLandlock && slices.ContainsFunc(reasons, func(o reason) bool { return o.class == unseen }) {
					r.also = "permissions may refuse it too"
				}
				return r, errno != unix.ENOENT || r.class == byHidden
			}
		}
	}
	if errno == unix.ENOENT {
		return reason{}, false
	}
	for _, r := range reasons {
		if r.class == byLandlock && errno == unix.EACCES {
			return reason{class: unseen, verdict: unknown, what: "perhaps Landlock: " + r.what}, true
		}
	}
	return reason{class: unseen, verdict: unknown, what: notKnown}, true
}

const notKnown = "no filter of the chain denies it, and what does is not known"

// classesOf are the classes that an errno can have, first that which explains it although
// others apply too.
var classesOf = map[unix.Errno][]class{
	unix.ENOENT: {byHidden},
	unix.EROFS:  {byReadOnly, notSandbox},
	unix.EACCES: {notSandbox, byHidden, byNoexec, byLandlock},
	unix.EPERM:  {notSandbox},
	unix.EXDEV:  {},
}

// needsCap are calls that fail with EPERM without a capability.
var needsCap = map[string]int{
	"mount": unix.CAP_SYS_ADMIN, "umount2": unix.CAP_SYS_ADMIN, "pivot_root": unix.CAP_SYS_ADMIN, "setns": unix.CAP_SYS_ADMIN,
	"sethostname": unix.CAP_SYS_ADMIN, "setdomainname": unix.CAP_SYS_ADMIN, "fsopen": unix.CAP_SYS_ADMIN, "open_tree": unix.CAP_SYS_ADMIN,
	"move_mount": unix.CAP_SYS_ADMIN, "fsmount": unix.CAP_SYS_ADMIN, "mount_setattr": unix.CAP_SYS_ADMIN, "swapon": unix.CAP_SYS_ADMIN,
	"chroot": unix.CAP_SYS_CHROOT, "setgroups": unix.CAP_SETGID, "settimeofday": unix.CAP_SYS_TIME, "clock_settime": unix.CAP_SYS_TIME,
	"reboot": unix.CAP_SYS_BOOT, "init_module": unix.CAP_SYS_MODULE, "finit_module": unix.CAP_SYS_MODULE, "delete_module": unix.CAP_SYS_MODULE,
	"syslog": unix.CAP_SYSLOG, "capset": unix.CAP_SETPCAP, "iopl": unix.CAP_SYS_RAWIO, "ioperm": unix.CAP_SYS_RAWIO,
}

// other judges a call that has no path, or one that is not looked at.
func (f *follower) other(tid int, c ptrace.Call, name string, errno unix.Errno) (r reason, known bool) {
	if errno == unix.ENOENT || errno == unix.ENOSYS {
		return reason{}, false
	}
	var list []reason
	var q question
	bit, takesCap := needsCap[name]
	switch {
	case archOf(c) != native():
	case takesCap && errno == unix.EPERM:
		q = question{kind: "cap", bit: bit}
		list = append(f.mounting(name), f.capability(bit)...)
	case errno == unix.ENETUNREACH:
		q = question{kind: "connect"} // to any port
		list = f.reach()
	case name == "connect" && errno == unix.EACCES, name == "bind" && errno == unix.EACCES:
		if port, ok := f.tcpPort(tid, c); ok {
			q = question{kind: name, port: port}
			list = f.ports(q)
		}
	}
	for _, r := range list {
		if r.verdict == denied {
			r.question = q
			return r, true
		}
	}
	if errno == unix.ENETUNREACH {
		return reason{}, false
	}
	if name == "ptrace" {
		return reason{class: unseen, verdict: unknown, what: "a process that hk-why follows has a tracer already"}, true
	}
	return reason{class: unseen, verdict: unknown, what: notKnown}, true
}

// mounting is what Landlock refuses of a call that changes mounts: with rights on files, all
// of it.
func (s *subject) mounting(name string) []reason {
	switch name {
	case "mount", "umount2", "move_mount", "pivot_root":
		if slices.ContainsFunc(s.domains, func(d *domain) bool { return d.files != 0 }) {
			return []reason{{class: byLandlock, verdict: denied, what: "a domain with rights on files forbids to change mounts"}}
		}
	}
	return nil
}

// tcpPort is the port that a call on a socket is for, if that is an Internet socket.
func (f *follower) tcpPort(tid int, c ptrace.Call) (port uint16, ok bool) {
	var b [4]byte
	if ptrace.Peek(tid, c.Args[1], b[:]) < len(b) {
		return 0, false
	}
	family := uint16(b[0]) | uint16(b[1])<<8
	return uint16(b[2])<<8 | uint16(b[3]), family == unix.AF_INET || family == unix.AF_INET6
}

// path is the path that a call is about, from the root of the payload; or why it is not
// known.
func (f *follower) path(tid int, c ptrace.Call, at takes) (p, why string) {
	p, ok := peekString(tid, c.Args[at.path])
	if !ok {
		return "", "the path cannot be read from the memory of the process"
	}
	proc := "/proc/" + strconv.Itoa(tid)
	ns, err := os.Readlink(proc + "/ns/mnt")
	if root, e := os.Readlink(proc + "/root"); err != nil || e != nil || root != "/" || ns != f.root {
		return "", "the process has another root than the chain has made, or it cannot be looked at"
	}
	if path.IsAbs(p) {
		return p, ""
	}
	from := proc + "/cwd"
	if at.dir >= 0 && int32(c.Args[at.dir]) != unix.AT_FDCWD {
		from = proc + "/fd/" + strconv.Itoa(int(int32(c.Args[at.dir])))
	}
	dir, err := os.Readlink(from)
	if err != nil || !path.IsAbs(dir) {
		return "", "the directory that the path starts from cannot be looked at"
	}
	if p == "" {
		return dir, ""
	}
	return strings.TrimSuffix(dir, "/") + "/" + p, ""
}

func peekString(tid int, addr uint64) (string, bool) {
	b := make([]byte, unix.PathMax)
	for n := 0; n < len(b); {
		end := min(n+256, len(b))
		m := ptrace.Peek(tid, addr+uint64(n), b[n:end])
		if text, _, ok := strings.Cut(string(b[n:n+m]), "\x00"); ok {
			return string(b[:n]) + text, true
		}
		if n += m; n < end {
			break
		}
	}
	return "", false
}

// text is a call with its arguments, as strace(1) prints those that are known.
func (f *follower) text(tid int, c ptrace.Call) string {
	name := nameOf(c)
	at, isPath := paths[name]
	opens := name == "open" || name == "openat"
	count, arch := 6, archOf(c)
	if arch != nil {
		count = arch.ArgumentCount(name)
	}
	if opens && c.Args[at.flags]&unix.O_CREAT == 0 {
		count = at.flags + 1
	}
	var args []string
	for i, v := range c.Args[:count] {
		text := number(v)
		if v > maxShown && arch != nil && arch.Wide(name, i) {
			text = "..." // in most cases a pointer, which differs from process to process
		}
		switch {
		case !isPath:
		case i == at.path:
			if p, ok := peekString(tid, v); ok {
				text = strconv.Quote(p)
			}
		case i == at.dir && int32(v) == unix.AT_FDCWD:
			text = "AT_FDCWD"
		case opens && i == at.flags:
			text = plan.Openat(plan.AtCwd(), "", v, 0).Args[2].String()
		case i == at.path+1 && strings.HasPrefix(name, "mkdir"), opens && i == at.flags+1:
			text = plan.Octal(uint32(v)).String()
		}
		args = append(args, text)
	}
	return name + "(" + strings.Join(args, ", ") + ")"
}

// maxShown is the largest number that is taken not to be a pointer: nothing is mapped there.
const maxShown = 4095

// number is a number of which it is not known what it is.
func number(v uint64) string {
	switch low := int32(v); {
	case v <= maxShown:
		return strconv.FormatUint(v, 10)
	case low < 0 && low > -4096 && (v>>32 == 0 || v>>32 == 1<<32-1):
		return strconv.Itoa(int(low))
	}
	return fmt.Sprintf("%#x", v)
}

// nodes are the rights to create something else than a regular file.
var nodes = map[string]landlock.Access{
	"mkdir": unix.LANDLOCK_ACCESS_FS_MAKE_DIR, "mkdirat": unix.LANDLOCK_ACCESS_FS_MAKE_DIR,
	"symlink": unix.LANDLOCK_ACCESS_FS_MAKE_SYM, "symlinkat": unix.LANDLOCK_ACCESS_FS_MAKE_SYM,
}
