package plan

import (
	"fmt"
	"math"
	"strings"

	"golang.org/x/sys/unix"
)

// A Given is something that each run of a plan gives: the plan has a name in place of
// what an argument points to.
type Given uint8

const (
	// GivenFile is the path of the program that a run executes. A plan may have several
	// such ops: a run gives paths to as many of them as it has, in order.
	GivenFile Given = iota + 1
	// GivenArgs and GivenEnv are its arguments and its environment.
	GivenArgs
	GivenEnv
	// GivenDir is its working directory.
	GivenDir
	// GivenDumpable is nothing that an argument points to: the program was dumpable
	// when the run began. An op of the caller's is skipped otherwise; if the child has
	// one, the run fails.
	GivenDumpable
	// GivenRaised is nothing that an argument points to either: package syscall has
	// raised the program's soft RLIMIT_NOFILE, and the program has not set it since.
	GivenRaised
)

// Given is what a run gives in place of the buffer, or 0.
func (b *Buffer) Given() Given { return b.given }

func given(g Given, text string) *Buffer {
	return &Buffer{given: g, text: func() string { return text }}
}

// GivenImage is an image that each run gives. To an environment that is that of the plan,
// it adds those of the variables whose values are not known before.
func GivenImage(vars []Var) Image {
	envp := given(GivenEnv, "$envp")
	for _, v := range vars {
		if v.Buffer != nil {
			envp.refs = append(envp.refs, Reference{Buffer: v.Buffer})
		}
	}
	return Image{given(GivenArgs, "$argv"), envp}
}

// ExecveGiven is execve(2) of a file that a run gives; text is its name in the printed
// plan. A run that does not give one skips the op.
func ExecveGiven(text string, im Image) *Op {
	op := call("execve", unix.SYS_EXECVE, Ptr(given(GivenFile, quote(text))), Ptr(im.argv), Ptr(im.envp))
	op.Roles |= Executes
	op.If = GivenFile
	return op
}

// Openat2Given is openat2(2) of the directory that a run gives. A run that does not
// give one skips the op.
func Openat2Given(flags, resolve uint64) *Op {
	op := openat2(AtCwd(), Ptr(given(GivenDir, "$directory")), flags, 0, resolve)
	op.If = GivenDir
	return op
}

// With is the op as printed for a run, with what the run gives.
func (o *Op) With(name func(Given) string) string {
	if o.If == 0 || o.text != nil {
		return o.String()
	}
	args := make([]string, len(o.Args))
	for i, a := range o.Args {
		args[i] = a.String()
		if b := a.Buffer(); b != nil && (b.given == GivenFile || b.given == GivenDir) {
			args[i] = quote(name(b.given))
		}
	}
	return o.Name + "(" + strings.Join(args, ", ") + ")"
}

// apart is what [Plan.Isolate] was called with.
type apart struct {
	last         int
	first, after []*Op
	file         *Result
}

// MaxFiles is how many descriptors a run can give to the child: the kernel's
// SCM_MAX_FD.
const MaxFiles = 253

// Isolate makes the child of the following clone keep no descriptor of the caller, a
// program that continues to run. The child moves the socket to the supervisor to the
// number last, closes all other descriptors, and reports that; it then receives what
// the run gives it, as 0, 1, 2 and so on. first are its ops before that, and after are the caller's ops right after the
// clone, which are performed even if the clone, or an op before it, has failed.
func (p *Plan) Isolate(last int, first, after []*Op) {
	if p.who != Caller {
		panic("plan: Isolate comes before the clone")
	}
	p.apart = &apart{last: last, first: first, after: after}
}

// Isolated reports whether the child keeps no descriptor of the caller.
func (p *Plan) Isolated() bool { return p.apart != nil }

// LastFile is the number of the last descriptor that the child of an isolated plan
// receives, as a result that exists before its first op; if it receives none, that of its
// socket to the supervisor. It is nil in another plan.
func (p *Plan) LastFile() *Result {
	if p.apart == nil {
		return nil
	}
	return p.apart.file
}

// sendFiles adds the step that sends the descriptors before the child exists.
func (p *Plan) sendFiles(stage string) {
	p.AddStep(Step{Stage: stage, Text: "send the command's descriptors to the socket of the child",
		Do: func(at Context) error { return at.SendFiles() }})
}

// leaveOthers adds the first ops of an isolated child.
func (p *Plan) leaveOthers(stage string) {
	last := p.apart.last
	p.Add(stage, p.apart.first...)
	p.sockets.Moved, p.sockets.MovedTo = p.NewResult("supervisor"), last
	p.Add(stage,
		// EINVAL: it already has that number.
		Dup3(p.sockets.Supervisor, last, true).Tolerate(unix.EINVAL).
			Hint(unix.EBADF, "RLIMIT_NOFILE has been lowered since the sandbox was prepared"),
		CloseRange(0, uint32(last-1), 0), CloseRange(uint32(last+1), math.MaxUint32, 0))
	p.sock = p.sockets.Moved
	p.send(stage, nil)
	p.apart.file = p.NewResult("last")
	p.Add(stage, recvFiles(p.sock),
		// The kernel leaves out those for which it has no room, from the first one on.
		IsOpen(Ref(p.apart.file)).
			Hint(unix.EBADF, "a security module, or a limit on open files, has kept the child from getting the command's descriptors"))
}

// recvFile is recvmsg(2) of a descriptor, which gets the number of r.
func recvFile(sock, r *Result) *Op {
	m := received(1)
	m.is(func() string {
		return fmt.Sprintf(`{msg_iov=[{iov_base="\1", iov_len=1}], msg_iovlen=1, msg_control=[{cmsg_level=SOL_SOCKET, cmsg_type=SCM_RIGHTS, cmsg_data=[%s]}]}`, r)
	})
	return call("recvmsg", unix.SYS_RECVMSG, Ref(sock), Ptr(&m.Buffer), Const("MSG_CMSG_CLOEXEC", unix.MSG_CMSG_CLOEXEC)).Exactly(1).
		Hint(0, "the supervisor has ended")
}

// received is a msghdr for one byte and a number of descriptors.
func received(files int) *structure {
	control := Reserve("", unix.CmsgSpace(4*files))
	iov := (&structure{}).pointer(Reserve("", 1)).u64(1)
	return (&structure{}).u64(0).u64(0).pointer(&iov.Buffer).u64(1).pointer(control).u64(uint64(control.Len())).u64(0)
}

// recvFiles is recvmsg(2) of descriptors, which stay open when a program is executed.
func recvFiles(sock *Result) *Op {
	m := received(MaxFiles)
	m.is(func() string {
		return `{msg_iov=[{iov_base="\1", iov_len=1}], msg_iovlen=1, msg_control=[{cmsg_level=SOL_SOCKET, cmsg_type=SCM_RIGHTS, cmsg_data=[0, 1, 2, $more]}]}`
	})
	return call("recvmsg", unix.SYS_RECVMSG, Ref(sock), Ptr(&m.Buffer), Int(0)).Exactly(1).
		Hint(0, "the supervisor has ended")
}
