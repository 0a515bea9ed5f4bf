package why

import (
	"os"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"hk/pkg/filter"
	"hk/pkg/ptrace"

	"golang.org/x/sys/unix"
)

func native() *filter.Arch { return filter.Native(runtime.GOARCH) }

// archOf is the architecture of a call, or nil.
func archOf(c ptrace.Call) *filter.Arch { return filter.ArchOf(c.Arch, c.Nr) }

const notKnown = "no filter of the chain denies it, and what does is not known"

// classesOf are the classes that an errno can have, first that which explains it although
// others apply too.
var classesOf = map[unix.Errno][]class{
	unix.ENOENT: {byHidden},
	unix.EROFS:  {byReadOnly, notSandbox},
	unix.EACCES: {byHidden, byNodev, notSandbox, byUser, byCapability, byNoexec, byLandlock},
	unix.EPERM:  {notSandbox, byUser, byCapability, byLandlock},
	unix.EXDEV:  {notSandbox, byMounts, byLandlock},
}

// judge finds out what has refused a call that no filter has. known is false for a failure
// that is none of a sandbox, such as a file that does not exist on the host either.
func (f *follower) judge(tid int, c ptrace.Call, errno unix.Errno) (r reason, known bool) {
	name := nameOf(c)
	if archOf(c) != native() {
		return f.other(tid, c, name, errno)
	}
	if _, _, takes := f.takesCap(tid, c, name); takes && errno == unix.EPERM {
		return f.other(tid, c, name, errno)
	}
	_, onPath := paths[name]
	_, moves := moves[name]
	switch {
	case errno == unix.EXDEV && !moves:
		return reason{}, false // programs then copy a file in another way
	case !onPath && !moves:
		return f.other(tid, c, name, errno)
	}
	questions, why := f.asks(tid, c, errno)
	if why != "" {
		return reason{class: unseen, verdict: unknown, what: why}, errno != unix.ENOENT
	}
	return f.explain(tid, questions, errno)
}

// explain finds out what has refused what a call has asked for.
func (f *follower) explain(tid int, questions []question, errno unix.Errno) (r reason, known bool) {
	reasons, ok := patiently(f, func() (list []reason) {
		for _, q := range questions {
			q.tried = try(tid, q)
			for _, r := range f.place(q) {
				r.question = q
				list = append(list, r)
			}
		}
		return list
	})
	if !ok {
		return reason{class: unseen, verdict: unknown, what: "a file system does not answer"}, errno != unix.ENOENT
	}
	for _, class := range classesOf[errno] {
		for _, r := range reasons {
			if r.class != class || r.verdict != denied {
				continue
			}
			if class == byLandlock && slices.ContainsFunc(reasons, func(o reason) bool { return o.class == unseen }) {
				r.also = "permissions may refuse it too"
			}
			return r, errno != unix.ENOENT || r.class == byHidden
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

// other judges a call that has no path, or one that is not looked at.
func (f *follower) other(tid int, c ptrace.Call, name string, errno unix.Errno) (r reason, known bool) {
	if errno == unix.ENOENT && !isSocketCall(name) || errno == unix.ENOSYS {
		return reason{}, false
	}
	var list []reason
	var q question
	bit, host, takesCap := f.takesCap(tid, c, name)
	switch {
	case archOf(c) != native():
	case takesCap && errno == unix.EPERM:
		q = question{kind: "cap", bit: bit, host: host}
		list = append(f.mounting(name), f.lacksCap(q)...)
		if len(list) == 0 {
			list, q = f.capable(tid, c, name, bit)
		}
	case errno == unix.ENETUNREACH:
		q = question{kind: "connect"} // to any port
		list = f.reach()
	case isSocketCall(name):
		return f.socketCall(tid, c, name, errno)
	case sends[name] && errno == unix.EPERM:
		list = f.signal(tid, c, name)
	}
	for _, r := range list {
		if r.verdict == denied {
			r.question = q
			return r, true
		}
	}
	switch {
	case errno == unix.ENETUNREACH || errno == unix.ENOENT:
		return reason{}, false
	case name == "ptrace":
		return reason{class: unseen, verdict: unknown, what: "a process that hk-why follows has a tracer already"}, true
	case len(list) > 0:
		return list[0], true
	}
	return reason{class: unseen, verdict: unknown, what: notKnown}, true
}

// path is the path that a call is about, from the root of the payload; or why it is not
// known. Without a path it is that of the descriptor.
func (f *follower) path(tid int, c ptrace.Call, dir, arg int) (p, why string) {
	if arg >= 0 {
		var ok bool
		if p, ok = f.tracer.PeekString(tid, c.Args[arg]); !ok {
			return "", "the path cannot be read from the memory of the process"
		}
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
	if dir >= 0 && int32(c.Args[dir]) != unix.AT_FDCWD {
		from = proc + "/fd/" + strconv.Itoa(int(int32(c.Args[dir])))
	}
	at, err := os.Readlink(from)
	switch {
	case err == nil && arg < 0 && !path.IsAbs(at):
		return "", "it is about a descriptor of " + at
	case err != nil || !path.IsAbs(at):
		return "", "the directory that the path starts from cannot be looked at"
	case p == "":
		return at, ""
	}
	return strings.TrimSuffix(at, "/") + "/" + p, ""
}

// inProcfs is a path in which the names by which a procfs refers to the process that looks
// are numbers: the supervisor, which is another process, looks too.
func (f *follower) inProcfs(tid int, p string) string {
	thread := strings.HasPrefix(p, "/proc/thread-self/")
	rest, ok := strings.CutPrefix(p, "/proc/self/")
	if !ok && !thread {
		return p
	}
	status, err := ptrace.ReadStatus("/proc/" + strconv.Itoa(tid))
	if err != nil {
		return p
	}
	field := func(name string) string {
		words := status.Field(name)
		switch {
		case len(words) == 0:
			return "self"
		case f.state.NS.New&unix.CLONE_NEWPID != 0:
			return words[len(words)-1]
		}
		return words[0]
	}
	if thread {
		return "/proc/" + field("NStgid") + "/task/" + field("NSpid") + strings.TrimPrefix(p, "/proc/thread-self")
	}
	return "/proc/" + field("NStgid") + "/" + rest
}
