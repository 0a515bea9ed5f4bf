package filter

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// An Action is what the kernel does with a call, including its data: SECCOMP_RET_* of
// seccomp(2).
type Action uint32

// Errno makes the call fail with an errno.
func Errno(e unix.Errno) Action { return Action(unix.SECCOMP_RET_ERRNO | uint32(e)&0xffff) }

const (
	Allow       = Action(unix.SECCOMP_RET_ALLOW)
	Log         = Action(unix.SECCOMP_RET_LOG)
	Trap        = Action(unix.SECCOMP_RET_TRAP)
	Trace       = Action(unix.SECCOMP_RET_TRACE)
	KillThread  = Action(unix.SECCOMP_RET_KILL_THREAD)
	KillProcess = Action(unix.SECCOMP_RET_KILL_PROCESS)
)

func (a Action) String() string {
	data := uint32(a) & 0xffff
	switch a &^ 0xffff {
	case Allow:
		return "allow"
	case Log:
		return "log"
	case Trap:
		return fmt.Sprintf("trap(%d)", data)
	case Trace:
		return fmt.Sprintf("trace(%d)", data)
	case KillThread:
		return "kill-thread"
	case KillProcess:
		return "kill-process"
	}
	if a.kind() != errnoAction { // which the kernel treats as kill-process, or notifies
		return fmt.Sprintf("action(%#x)", uint32(a))
	}
	return "errno(" + errnoText(unix.Errno(data)) + ")"
}

// kind is the action without its data.
func (a Action) kind() Action { return a &^ unix.SECCOMP_RET_DATA }

// Denies reports whether the action prevents a call from being made.
func (a Action) Denies() bool { return a.kind() != Allow && a.kind() != Log }

// Kills reports whether the call ends its process or thread with SIGSYS, or is left to
// a handler of that signal.
func (a Action) Kills() bool {
	_, fails := a.Errno()
	return a.Denies() && !fails
}

// Errno is the error with which the call fails if there is no tracer. ok is false if it
// does not fail, or does not return.
func (a Action) Errno() (e unix.Errno, ok bool) {
	switch a.kind() {
	case errnoAction:
		return unix.Errno(min(a&unix.SECCOMP_RET_DATA, maxErrno)), true
	case Trace:
		return unix.ENOSYS, true
	}
	return 0, false
}

// ParseAction parses an action as written for hk-seccomp(1): allow, log, kill,
// kill-thread, trap, trace, deny or deny:ERRNO.
func ParseAction(text string) (Action, error) {
	word, errno, has := strings.Cut(text, ":")
	switch {
	case word == "deny" && has:
		e, err := parseErrno(errno)
		return Errno(e), err
	case word == "deny":
		return Errno(unix.EPERM), nil
	case has:
	default:
		for _, w := range actionWords {
			if w.word == word {
				return w.act, nil
			}
		}
	}
	return 0, fmt.Errorf("%q is not allow, log, kill, kill-thread, trap, trace, deny or deny:ERRNO", text)
}

// actionWords are the actions without an errno.
var actionWords = [...]struct {
	word string
	act  Action
}{{"allow", Allow}, {"log", Log}, {"kill", KillProcess}, {"kill-thread", KillThread}, {"trap", Trap}, {"trace", Trace}}

// Word is an action in the form that [ParseAction] parses, if it has one.
func (a Action) Word() string {
	for _, w := range actionWords {
		if w.act == a {
			return w.word
		}
	}
	if a == Errno(unix.EPERM) {
		return "deny"
	}
	return "deny:" + errnoText(unix.Errno(a&0xffff))
}
