package why

import (
	"fmt"
	"slices"
	"strings"

	"hk/pkg/ptrace"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// A limited is a resource, of setrlimit(2), with the error of a call that exceeds its limit.
type limited struct {
	resource int
	flag     string // of hk-limit
	errnos   []unix.Errno
	calls    string
}

var limits = []limited{
	{unix.RLIMIT_NPROC, "--nproc", []unix.Errno{unix.EAGAIN}, "fork vfork clone clone3"},
	{unix.RLIMIT_NOFILE, "--nofile", []unix.Errno{unix.EMFILE}, "open openat openat2 creat socket socketpair pipe pipe2 dup fcntl accept accept4 eventfd eventfd2 epoll_create epoll_create1 memfd_create timerfd_create signalfd4 inotify_init1"},
	{unix.RLIMIT_MEMLOCK, "--memlock", []unix.Errno{unix.ENOMEM, unix.EPERM}, "mlock mlock2 mlockall"},
	{unix.RLIMIT_FSIZE, "--fsize", []unix.Errno{unix.EFBIG}, "write writev pwrite64 pwritev pwritev2 truncate ftruncate fallocate copy_file_range sendfile splice"},
	{unix.RLIMIT_AS, "--as", []unix.Errno{unix.ENOMEM}, "mmap brk mremap mprotect"},
	{unix.RLIMIT_DATA, "--data", []unix.Errno{unix.ENOMEM}, "mmap brk mremap mprotect"},
}

// exceeded is the limit that a call has exceeded, if the chain sets one.
func (f *follower) exceeded(c ptrace.Call, name string, errno unix.Errno) (r reason, ok bool) {
	for _, l := range limits {
		if !slices.Contains(l.errnos, errno) || !slices.Contains(strings.Fields(l.calls), name) {
			continue
		}
		if soft, _, set := f.state.RlimitSet(l.resource); set {
			return reason{class: byLimit, verdict: denied, what: fmt.Sprintf("hk-limit %s sets a limit of %d", l.flag, soft)}, true
		}
	}
	const newUser = unix.CLONE_NEWUSER
	switch {
	case errno == unix.EAGAIN && slices.Contains(strings.Fields(limits[0].calls), name):
		for _, l := range f.chain.Links {
			if i := slices.IndexFunc(l.Stage.Args(), func(w string) bool { return strings.HasPrefix(w, "--pids=") }); i >= 0 && l.Kind.Name == "hk-limit" {
				return reason{class: byLimit, verdict: denied, what: "hk-limit " + l.Stage.Args()[i] + " limits the processes and threads of all together"}, true
			}
		}
	case errno != unix.ENOSPC:
	case name == "unshare" && c.Args[0]&newUser != 0, name == "clone" && c.Args[0]&newUser != 0, name == "clone3":
		if f.state.NS.NoNested {
			return reason{class: byLimit, verdict: denied, what: "hk-unshare --no-nested-userns forbids user namespaces"}, true
		}
	}
	return reason{}, false
}

// counted are the calls that stop for the limits that the chain sets.
func counted(s *stage.State) (calls []string) {
	for _, l := range limits {
		if _, _, set := s.RlimitSet(l.resource); set {
			calls = append(calls, strings.Fields(l.calls)...)
		}
	}
	return calls
}
