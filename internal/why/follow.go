package why

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"hk/internal/cli"
	"hk/internal/vis"
	"hk/pkg/chain"
	"hk/pkg/execdeps"
	"hk/pkg/filter"
	"hk/pkg/plan"
	"hk/pkg/ptrace"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// A follower tells what the payload of a chain and its descendants are refused, as it
// happens and at the end.
type follower struct {
	subject
	tracer ptrace.Tracer
	// say writes a line of text, and write one of JSON, if json is set.
	say   func(text string)
	write func(line []byte)
	json  bool
	// own is a descriptor of the caller that is written to, or -1.
	own int
	// lost is the first error of a write to --output.
	lost error
	// each is called for each refusal, unless it is nil.
	each func(Refused)
	// told counts what was refused, by what it is, in that order.
	told  map[string]*refusal
	order []*refusal
	// more is the number of failures after maxTold different ones.
	more int
	// unfailing is set if a filter may deny a call with which none fails: it ends a process
	// or a thread, or says that it has succeeded.
	unfailing bool
	// root is the mount namespace of the payload, or "" if it cannot be looked at, and began
	// is set once the payload has been executed.
	root  string
	began bool
	// marked is set if the plan loads a filter with which calls stop, filters if its
	// stages load any, and traps if those trap what they deny.
	marked, filters, traps bool
	// stuck is set if a file system does not answer.
	stuck bool
	// kernel is what the kernel tells besides.
	kernel kernelAccount
	// blind are what has been used that cannot be followed.
	blind []string
}

// maxTold is the number of different failures that are told apart.
const maxTold = 10000

// followed is the first stage of a chain, with a tracer.
type followed struct {
	stage.Stage
	f *follower
}

func (w followed) Unwrap() stage.Stage { return w.Stage }

func (w followed) Needs() stage.Needs {
	n := w.Stage.Needs()
	n.Supervisor, n.Attach = true, w.f.attach
	return n
}

// followChain performs a chain, and follows its payload.
func (l *line) followChain(f *cli.Front, c *chain.Chain) int {
	fl := &follower{say: func(text string) { f.Say("hk-why", text) }, json: l.json, own: -1}
	to := io.Writer(cli.Stderr{})
	if l.output != "" {
		file, own, err := l.output.open()
		if err != nil {
			return f.Fail(exitFailed, -1, err)
		}
		to, fl.own = file, own
		fl.say = func(text string) { fl.write([]byte(vis.Text("hk-why: "+text) + "\n")) }
	}
	fl.write = func(line []byte) {
		if _, err := to.Write(line); err != nil && fl.lost == nil && l.output != "" {
			fl.lost = err
		}
	}
	return followWith(f, c, fl, append([]string{f.Name}, os.Args[1:]...))
}

// followWith is followChain with a follower, for a program that is executed again with words.
func followWith(f *cli.Front, c *chain.Chain, fl *follower, words []string) int {
	if err := fl.prepare(c); err != nil {
		return f.Fail(exitFailed, -1, err)
	}
	common := c.Settings()
	var stages []stage.Stage
	fl.askKernel()
	for _, l := range c.Links {
		stages = append(stages, fl.kernel.logged(l.Stage))
		common.Args = append(common.Args, l.Common.Args...)
		common.ForceOrder = common.ForceOrder || l.Common.ForceOrder
	}
	common.Why = false // this is it
	if fl.own >= 0 {
		common.Own = append(common.Own, fl.own)
	}
	f.AlwaysFused = true
	followed := chain.Compiled(words, common, stages, c.Payload)
	fl.on(&followed.Links[0])
	code := f.Run(followed)
	if (code == exitNotExecutable || code == exitNotFound) && fl.state != nil && len(c.Payload) > 0 {
		fl.notExecuted(c.Payload[0])
	}
	return code
}

// notExecuted tells why the payload could not be executed, as far as the plan tells.
func (f *follower) notExecuted(word string) {
	f.domains = f.findDomains()
	for _, p := range execdeps.Candidates(word, execdeps.EnvironmentOf(f.state.Env.List()).Path) {
		if _, err := f.host.Lstat(p); err != nil || !path.IsAbs(p) {
			continue
		}
		q := question{kind: "exec", path: p}
		for _, r := range f.reasons(q) {
			if r.verdict != denied {
				continue
			}
			f.confirm(q, &r)
			call := fmt.Sprintf("execve(%q)", p)
			told := refused(call, r)
			if f.each != nil {
				f.each(told)
			}
			f.happens(fmt.Sprintf("%s: %s: %s", r.class, call, r.text()), event{Event: "refused", Refused: &told})
		}
		return
	}
}

// on has the stage attach the tracer.
func (f *follower) on(first *chain.Link) { first.Stage = followed{first.Stage, f} }

// prepare notes the chain that is followed.
func (f *follower) prepare(c *chain.Chain) error {
	for _, l := range c.Links {
		f.filters = f.filters || l.Stage.Needs().Filters
		if l.Stage.Needs().Attach != nil {
			return fmt.Errorf("%s traces the payload, and a process has only one tracer: take --learn or hk-limit --report-proc away", l.Kind.Name)
		}
	}
	if !c.OnePlan() {
		return errors.New("the chain needs a second plan, from one of its stages on: only one can be followed")
	}
	plain := *c
	plain.Links = slices.Clone(c.Links)
	plain.Links[len(plain.Links)-1].Common.Explain = "text" // it is not to be performed
	f.chain, f.told = &plain, map[string]*refusal{}
	return nil
}

// attach adds the step that attaches to the child.
func (f *follower) attach(s *stage.State) error {
	f.state, f.host = s, s.Host
	to := "the child"
	joiner := s.Plan.InJoiner()
	if joiner {
		to = "the joiner, and so to the child that it makes"
	}
	s.WhileDumpable(s.Host.Effective>>unix.CAP_SYS_PTRACE&1 == 0, func() {
		s.Plan.AddStep(plan.Step{Stage: "hk-why",
			Text: "attach to " + to + " (PTRACE_SEIZE); from its execve(2) on follow the calls of it and its descendants (PTRACE_SYSCALL)",
			Do:   func(at plan.Context) error { return f.begin(at, joiner) }})
	})
	f.mark(s)
	f.trap(s)
	return nil
}

// begin is the supervisor step.
func (f *follower) begin(at plan.Context, joiner bool) error {
	f.domains = f.findDomains()
	for _, code := range f.state.Filters {
		f.unfailing = f.unfailing || slices.ContainsFunc(code, func(i unix.SockFilter) bool {
			return i.Code == unix.BPF_RET|unix.BPF_A || i.Code == unix.BPF_RET|unix.BPF_K && unfailing(filter.Action(i.K))
		})
	}
	f.tracer.Entered, f.tracer.Left = f.entered, f.left
	f.tracer.Executed = f.executed
	if f.traps {
		f.tracer.Denies, f.tracer.Denied, f.tracer.Killed = f.denies, f.denied, f.killed
		f.unfailing = false // it is told when it happens
	}
	if err := f.tracer.Attach(at.PID(), joiner, at.CheckAlive); err != nil {
		return err
	}
	f.hears(at)
	lingering := "the payload has ended, but processes that it has left running are still followed: SIGINT or SIGTERM ends that"
	if f.marked {
		lingering = "the payload has ended, but processes that it has left running are still followed: SIGINT or SIGTERM kills them"
	}
	at.Watch(&plan.Watcher{Stage: "hk-why", Stopped: f.tracer.Stopped, Gone: f.tracer.Gone,
		// What a program asks about is the payload: it does not wait for what that leaves.
		Alone:     f.each != nil,
		Lingering: lingering,
		Ended: func(*plan.End, plan.Payload) ([]string, error) {
			f.addKernel()
			f.report()
			if f.lost != nil {
				return []string{fmt.Sprintf("the account is not whole: %v", f.lost)}, nil
			}
			return nil, nil
		}})
	return nil
}

// executed notes the root of the payload, which executes first, and looks at what a program
// gains.
func (f *follower) executed(tid int) {
	f.gains(tid)
	if !f.began {
		f.root, _ = os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", tid))
		f.began, f.kernel.child = true, tid
		f.tracer.Marked = f.marked && (f.traps || isMarked(tid))
	}
}

const usesRing = "io_uring is used: what it does is not seen"

// entered looks at a call before the filters do.
func (f *follower) entered(tid int, c ptrace.Call) {
	name := nameOf(c)
	switch {
	case name == "io_uring_enter":
		f.notSeen(f.kernel.rings())
	case name == "clone" && c.Args[0]&unix.CLONE_UNTRACED != 0, name == "clone3" && f.flags(tid, c.Args[0])&unix.CLONE_UNTRACED != 0:
		what := "a process was created with CLONE_UNTRACED: it is not seen"
		if f.tracer.Marked {
			what += ", and most of its calls fail with ENOSYS"
		}
		if f.traps {
			what += "; what the filters deny to it ends it"
		}
		f.notSeen(what)
	}
	if !f.unfailing {
		return
	}
	if answer, i, ok := f.decided(c); ok && unfailing(answer.Action) {
		result := answer.Action.String()
		if !answer.Action.Kills() {
			result = "0"
		}
		f.tell(tid, c, f.filtered(c, name, answer, i), result)
	}
}

// unfailing reports whether a call is denied and does not fail.
func unfailing(a filter.Action) bool {
	e, fails := a.Errno()
	return a.Kills() || fails && e == 0
}

// flags is the first field of the structure that a call is given.
func (f *follower) flags(tid int, addr uint64) uint64 {
	var b [8]byte
	f.tracer.Peek(tid, addr, b[:])
	return word(b[:], 0)
}

// succeeded looks at a call after which something may not be seen.
func (f *follower) succeeded(c ptrace.Call) {
	switch name := nameOf(c); {
	case name == "io_uring_setup":
		f.notSeen(f.kernel.rings()) // its thread in the kernel may do without further calls
	case f.marked && name == "seccomp" && c.Args[0] == unix.SECCOMP_SET_MODE_FILTER && c.Args[1]&unix.SECCOMP_FILTER_FLAG_NEW_LISTENER != 0:
		f.notSeen("a filter with a listener was loaded: calls of which that is told are not seen, unless a filter of the chain denies them")
	}
}

// left looks at a call that returns, if it has failed.
func (f *follower) left(tid int, c ptrace.Call, _ int64, errno unix.Errno) {
	f.kernel.returned(tid, c)
	if errno == 0 {
		f.succeeded(c)
		return
	}
	if name := nameOf(c); name == "rt_sigreturn" || name == "sigreturn" {
		return // its result is that of the call that a signal has interrupted
	}
	answer, which, ok := f.decided(c)
	if e, fails := answer.Action.Errno(); ok && fails && e == errno {
		f.tell(tid, c, f.filtered(c, nameOf(c), answer, which), unix.ErrnoName(errno))
		return
	}
	if r, ok := f.beyond(tid, c, nameOf(c), errno); ok {
		f.tell(tid, c, r, unix.ErrnoName(errno))
		return
	}
	switch errno {
	case unix.EACCES, unix.EPERM, unix.EROFS, unix.EXDEV, unix.ENETUNREACH:
	case unix.ENOENT, unix.ENOSYS:
		if errno == unix.ENOSYS && ok {
			return // the kernel's own: of a filter it would have been decided
		}
	default:
		return
	}
	if r, known := f.judge(tid, c, errno); known {
		f.tell(tid, c, r, unix.ErrnoName(errno))
	}
}

// tell tells what was refused, the first time as it happens.
func (f *follower) tell(tid int, c ptrace.Call, r reason, result string) {
	q := question{kind: "call", name: nameOf(c), call: filter.Call{Nr: c.Nr, Args: c.Args, Known: 1<<6 - 1}}
	if r.question.kind != "" {
		q = r.question
	}
	f.tellCall(tid, f.text(tid, c)+" = "+result, q, r)
}

// tellCall is tell for a call as a text.
func (f *follower) tellCall(tid int, call string, q question, r reason) {
	head := string(r.class) + ": " + call + ": "
	key := head + anyProcess(r.what)
	if r.class == byLimit { // with whatever arguments
		name, _, _ := strings.Cut(call, "(")
		key = name + " " + r.what
	}
	if seen := f.told[key]; seen != nil {
		seen.Times++
		return
	}
	if len(f.told) == maxTold {
		f.more++
		return
	}
	f.noted(r)
	r = f.confirmed(q, r)
	told := &refusal{Refused: refused(call, r), Times: 1, line: head + r.text()}
	if f.each != nil {
		f.each(told.Refused)
	}
	f.told[key] = told
	f.order = append(f.order, told)
	f.refuses(told, tid)
}

// confirmed is a reason with the flags that help, or with none.
func (f *follower) confirmed(q question, r reason) reason {
	found, ok := patiently(f, func() reason {
		r := r
		f.confirm(q, &r)
		return r
	})
	if !ok {
		r.flags, r.elsewhere = nil, nil
		return r
	}
	return found
}

// anyProcess is a text in which no directory of a procfs says of which process it is.
func anyProcess(text string) string {
	const proc = "/proc/"
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, proc)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString(proc)
		if text = strings.TrimLeft(after, "0123456789"); text != after {
			b.WriteString("PID")
		}
	}
}
