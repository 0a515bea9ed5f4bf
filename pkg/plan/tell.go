package plan

import "golang.org/x/sys/unix"

// The messages between a stage and the supervisor that an earlier one has left it:
// [Plan.KeepSupervisor]. Each starts with one of these bytes.
const (
	// TellExecutes says that the payload is executed next. Once the socket is closed,
	// the payload runs.
	TellExecutes = 'x'
	// TellSupervises says that the stage is a supervisor itself, and handles signals.
	TellSupervises = 's'
	// TellStops asks to be stopped: a PID 1 cannot stop itself.
	TellStops = 't'
	// TellDies is followed by the number of the signal that would terminate the stage
	// if it were not a PID 1.
	TellDies = 'k'
	// TellAsks asks for an answer, the same byte.
	TellAsks = 'a'
	// TellGroup is sent downward, to a stage that supervises: the number of a signal
	// that follows, which is for a process group, as if from its terminal.
	TellGroup = 'g'
)

// Ask asks the supervisor of an earlier stage, and waits for its answer. It fails if the
// supervisor is being killed: see [Plan.AskSupervisor].
func Ask(fd int) []*Op {
	const ended = "the supervisor has ended"
	return []*Op{
		call("write", unix.SYS_WRITE, Int(int64(fd)), Bytes([]byte{TellAsks}), Int(1)).Exactly(1).Hint(unix.EPIPE, ended),
		call("read", unix.SYS_READ, Int(int64(fd)), Ptr(Reserve(`"a"`, 1)), Int(1)).Exactly(1).Hint(0, ended),
	}
}

// Tell is sendto(2) of a message to the supervisor of an earlier stage. That may have
// ended, and a filter may deny the call.
func Tell(fd int, what byte) *Op {
	return call("sendto", unix.SYS_SENDTO, Int(int64(fd)), Bytes([]byte{what}), Int(1),
		Const("MSG_NOSIGNAL|MSG_DONTWAIT", unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT), Null(), Int(0)).
		Tolerate(unix.EPIPE, unix.EAGAIN, unix.EPERM, unix.EACCES, unix.ENOSYS)
}
