package seccomp

import (
	"fmt"
	"runtime"
	"slices"

	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// checkRest refuses a filter that stops what the plan has yet to do after load:
// execve(2) at least.
func (f *Filter) checkRest(s *stage.State, load *plan.Op, fl filter) error {
	rest := s.Plan.After(load)
	if s.Next.Clones || slices.ContainsFunc(rest, (*plan.Op).Clones) {
		if err := f.checkSupervisor(fl); err != nil {
			return err
		}
	}
	for _, name := range toTell {
		if _, some, _ := denied(fl.code, name); some {
			s.Plan.Mute = true
		}
	}
	for _, op := range rest {
		answers, certain := stops(fl.code, op)
		if !certain {
			if i := slices.IndexFunc(answers, outcome.strands); i >= 0 && op.Executes() && !s.Plan.Cloned() {
				return fmt.Errorf("%s may answer %s(2) by %v, by which this process would hang or crash: it takes a supervisor, as hk-unshare --setsid makes one",
					f.culprit(fl, op.Call(), answers[i]), op.Name, answers[i].act)
			}
			if i := slices.IndexFunc(answers, outcome.kills); i >= 0 && op.Executes() {
				s.Plan.MayKill = f.culprit(fl, op.Call(), answers[i])
				s.Note(s.Plan.MayKill + " may kill execve(2)")
			}
			continue
		}
		what := fmt.Sprintf("%s, which comes after it in this chain", op)
		if op.Executes() {
			what = op.Name + "(2), by which what comes next is started"
		}
		return fmt.Errorf("%s denies %s: %v", f.culprit(fl, op.Call(), answers[0]), what, answers[0].act)
	}
	return nil
}

// atTimes are those of toTell that the runtime makes at times only: a profile that was
// learned may lack them, and is not refused for it.
var atTimes = [...]string{"madvise", "munmap", "nanosleep"}

// checkSupervisor refuses a filter that a supervisor could not live under.
func (f *Filter) checkSupervisor(fl filter) error {
	for _, name := range slices.Concat(toTell[:], toSupervise[:]) {
		answers, _, all := denied(fl.code, name)
		if slices.Contains(atTimes[:], name) && !slices.ContainsFunc(answers, outcome.kills) {
			continue
		}
		if all {
			return f.needed(fl, name, answers[0])
		}
	}
	// By this it passes signals on: without it nothing but SIGKILL ends the payload.
	// A profile that was learned need not have it, but no rule is to deny it.
	const signal = "pidfd_send_signal"
	answers, _, all := denied(fl.code, signal)
	nr, _ := Native(runtime.GOARCH).Number(signal)
	if all && (slices.ContainsFunc(answers, outcome.kills) || fl.policy != nil && fl.policy.denier(plan.Call{Nr: nr}) != nil) {
		return f.needed(fl, signal, answers[0])
	}
	return nil
}

// needed is the error for a filter that denies a supervisor a call.
func (f *Filter) needed(fl filter, name string, o outcome) error {
	nr, _ := Native(runtime.GOARCH).Number(name)
	return fmt.Errorf("%s denies %s(2), which the supervisor of this chain needs after it: %v", f.culprit(fl, plan.Call{Nr: nr}, o), name, o.act)
}

// denied lists what a filter can answer to a call with any arguments, and reports
// whether it may deny some, and whether it denies all.
func denied(code []unix.SockFilter, name string) (answers []outcome, some, all bool) {
	native := Native(runtime.GOARCH)
	nr, _ := native.Number(name)
	answers, known := outcomes(code, native.Audit, plan.Call{Nr: nr})
	allows := func(o outcome) bool { return !o.act.denies() }
	some = !known || slices.ContainsFunc(answers, func(o outcome) bool { return !allows(o) })
	return answers, some, known && !slices.ContainsFunc(answers, allows)
}

// stops lists what a filter can answer to an op, and reports whether it is certain
// to stop a plan there.
func stops(code []unix.SockFilter, op *plan.Op) (answers []outcome, certain bool) {
	answers, ok := outcomes(code, Native(runtime.GOARCH).Audit, op.Call())
	return answers, ok && !slices.ContainsFunc(answers, func(o outcome) bool { return !o.stops(op) })
}

// stopped reports whether a filter of the plan is certain to stop an op.
func stopped(s *stage.State, op *plan.Op) bool {
	return slices.ContainsFunc(s.Filters, func(code []unix.SockFilter) bool {
		_, certain := stops(code, op)
		return certain
	})
}

// toTell are the calls that it can take to tell of a failure and to exit.
var toTell = [...]string{"exit_group", "futex", "madvise", "mmap", "munmap", "nanosleep", "rt_sigprocmask", "sigaltstack", "write"}

// toBeHeard are those that a stage makes on the socket to an earlier supervisor.
var toBeHeard = [...]string{"fcntl", "getsockopt", "recvfrom", "sendto"}

// toSupervise are those that a supervisor makes besides in any case.
var toSupervise = [...]string{"ppoll", "read", "recvmsg", "rt_sigaction", "rt_sigreturn", "wait4"}

// stops reports whether a plan does not come past the op.
func (o outcome) stops(op *plan.Op) bool {
	switch kind, data := o.act&^unix.SECCOMP_RET_DATA, o.act&unix.SECCOMP_RET_DATA; kind {
	case Allow, Log:
		return false
	case errnoAction:
		return !op.Tolerates(unix.Errno(min(data, maxErrno)))
	case Trace: // there is no tracer
		return !op.Tolerates(unix.ENOSYS)
	}
	return true
}

// kills reports whether the call ends its process with SIGSYS.
func (o outcome) kills() bool {
	switch o.act &^ unix.SECCOMP_RET_DATA {
	case Allow, Log, errnoAction, Trace:
		return false
	}
	return true
}

// strands reports whether the call ends its thread only, or what it does is up to a
// signal handler: a process that the Go runtime has given more threads hangs, or
// crashes.
func (o outcome) strands() bool {
	return o.kills() && o.act&^unix.SECCOMP_RET_DATA != KillProcess
}

// culprit names what denies a call.
func (f *Filter) culprit(fl filter, c plan.Call, o outcome) string {
	if f.BPF != "" {
		return fmt.Sprintf("--bpf %s: instruction %d", f.BPF, o.pc)
	}
	profile := "--profile " + f.profile()
	if fl.policy == nil {
		return profile
	}
	switch rule := fl.policy.denier(c); {
	case rule != nil && rule.Origin != 0:
		return f.written(rule.Origin)
	case f.Default != nil:
		return "--default=" + flagText(*f.Default)
	}
	return profile + ": defaultAction"
}

// denier is the first rule that denies a call, or may, or nil.
func (p *Policy) denier(c plan.Call) *Rule {
	native := p.Arches[0]
	for i, r := range p.Rules {
		for _, name := range r.Names {
			if nr, ok := native.Number(name); ok && nr == c.Nr && r.Action.denies() && r.may(native, name, c) {
				return &p.Rules[i]
			}
		}
	}
	return nil
}

// may reports whether the conditions can hold.
func (r Rule) may(a *Arch, name string, c plan.Call) bool {
	return !slices.ContainsFunc(r.Conds, func(cond Cond) bool {
		return c.Known>>cond.Arg&1 != 0 && !cond.decides(a, name, c.Args, true)
	})
}
