package why

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"

	"hk/pkg/plan"
	"hk/pkg/ptrace"

	"golang.org/x/sys/unix"
)

// sends are the calls that send a signal to a process or thread by its number.
var sends = map[string]bool{"kill": true, "tkill": true, "tgkill": true, "rt_sigqueueinfo": true, "rt_tgsigqueueinfo": true, "pidfd_send_signal": true}

// signal judges a signal that could not be sent.
func (f *follower) signal(tid int, c ptrace.Call, name string) []reason {
	target, ok := f.target(tid, c, name)
	if !ok {
		return f.scopedPerhaps()
	}
	proc := "/proc/" + strconv.Itoa(target)
	to, err := identify(proc)
	own, err2 := identify("/proc/self")
	from, err3 := identify("/proc/" + strconv.Itoa(tid))
	if err != nil || err2 != nil || err3 != nil {
		return f.scopedPerhaps()
	}
	switch {
	case !from.mayKill(to) && !own.mayKill(to):
		return []reason{{class: notSandbox, verdict: denied, what: fmt.Sprintf("permissions refuse it to the caller too: process %d is another user's", target)}}
	case !from.mayKill(to) && (own.real != from.real || own.effective != from.effective):
		return []reason{{class: byUser, verdict: denied, what: fmt.Sprintf("process %d is not one of the payload's user", target)}}
	case !from.mayKill(to):
		r := reason{class: byCapability, verdict: denied, what: "the payload does not have " + plan.CapName(unix.CAP_KILL) + " over a process of another user"}
		return []reason{r}
	}
	if status, err := ptrace.ReadStatus(proc); err != nil || slices.Equal(status.Field("TracerPid"), []string{strconv.Itoa(os.Getpid())}) {
		return nil // it is in the same domain
	}
	return f.scoped(unix.LANDLOCK_SCOPE_SIGNAL, fmt.Sprintf("process %d is outside the domain", target))
}

// mayKill is kill_ok_by_cred of the kernel. The supervisor's user namespace is that of the
// target, or above it.
func (id identity) mayKill(to identity) bool {
	return id.effective == to.saved || id.effective == to.real || id.real == to.saved || id.real == to.real ||
		(id.ns == to.ns || id.proc == "/proc/self") && id.caps>>unix.CAP_KILL&1 != 0
}

// scopedPerhaps is for a process that cannot be looked at.
func (s *subject) scopedPerhaps() []reason {
	list := s.scoped(unix.LANDLOCK_SCOPE_SIGNAL, "if the process is outside the domain")
	for i := range list {
		list[i].class, list[i].verdict, list[i].what = unseen, unknown, "perhaps Landlock: "+list[i].what
	}
	return list
}

// target is the process or thread that a signal is for, by its number here.
func (f *follower) target(tid int, c ptrace.Call, name string) (pid int, ok bool) {
	n := int(int32(c.Args[0]))
	switch name {
	case "tgkill", "rt_tgsigqueueinfo":
		n = int(int32(c.Args[1]))
	case "pidfd_send_signal":
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%d", tid, n))
		_, text, found := bytes.Cut(b, []byte("\nPid:\t"))
		line, _, _ := bytes.Cut(text, []byte("\n"))
		pid, err2 := strconv.Atoi(string(line))
		return pid, err == nil && found && err2 == nil && pid > 0
	}
	// In a PID namespace of the chain there is nobody from outside.
	return n, n > 0 && (f.state.NS.New|f.state.NS.Joined)&unix.CLONE_NEWPID == 0
}
