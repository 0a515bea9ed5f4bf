package plan

import "golang.org/x/sys/unix"

// The messages between a stage and the supervisor that an earlier one has left it:
// [Plan.KeepSupervisor]. Each starts with one of these bytes.
const (
	// TellExecutes says that what comes next is the payload. Once the socket is
	// closed, it is there.
	TellExecutes = 'x'
	// TellSupervises says that the stage is a supervisor itself, and takes signals.
	TellSupervises = 's'
	// TellStops asks to be stopped: a PID 1 cannot stop itself.
	TellStops = 't'
	// TellDies is followed by the number of the signal of which the stage would
	// die, were it not a PID 1.
	TellDies = 'k'
	// TellGroup is told downward, to a stage that supervises: the number of a signal
	// that follows, which is for a process group, as from its terminal.
	TellGroup = 'g'
)

// Tell is sendto(2) of what is to come to the supervisor of an earlier stage. That
// may be gone, and a filter may forbid it.
func Tell(fd int, what byte) *Op {
	return call("sendto", unix.SYS_SENDTO, Int(int64(fd)), Bytes([]byte{what}), Int(1),
		Const("MSG_NOSIGNAL|MSG_DONTWAIT", unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT), Null(), Int(0)).
		Tolerate(unix.EPIPE, unix.EAGAIN, unix.EPERM, unix.EACCES, unix.ENOSYS)
}
