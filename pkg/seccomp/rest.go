package seccomp

import (
	"fmt"
	"runtime"
	"slices"

	"hk/pkg/filter"
	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// checkRest rejects a filter that stops what the plan has to do after loading it: at
// least execve(2).
func (f *Filter) checkRest(s *stage.State, load *plan.Op, fl loaded) error {
	rest := s.Plan.After(load)
	if s.Next.Clones || slices.ContainsFunc(rest, (*plan.Op).Clones) {
		if err := f.checkSupervisor(fl, s.Child.Relays); err != nil {
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
			if i := slices.IndexFunc(answers, strands); i >= 0 && op.Executes() && !s.Plan.Cloned() {
				return fmt.Errorf("%s may answer %s(2) with %v, which would make this process hang or crash: use a supervisor, for example with hk-unshare --setsid",
					f.culprit(fl, filter.Call(op.Call()), answers[i]), op.Name, answers[i].Action)
			}
			if i := slices.IndexFunc(answers, kills); i >= 0 && op.Executes() {
				s.Plan.MayKill = f.culprit(fl, filter.Call(op.Call()), answers[i])
				s.Note(s.Plan.MayKill + " may kill execve(2)")
			}
			continue
		}
		what := fmt.Sprintf("%s, which comes after it in this chain", op)
		if op.Executes() {
			what = op.Name + "(2), which is needed to start what comes next"
		}
		return fmt.Errorf("%s denies %s: %v", f.culprit(fl, filter.Call(op.Call()), answers[0]), what, answers[0].Action)
	}
	return nil
}

// atTimes are the calls of toTell that the runtime makes only sometimes: a recorded
// profile may lack them, and is not rejected for it.
var atTimes = [...]string{"madvise", "munmap", "nanosleep"}

// checkSupervisor rejects a filter under which a supervisor could not work.
func (f *Filter) checkSupervisor(fl loaded, relays bool) error {
	needed := slices.Concat(toTell[:], toSupervise[:])
	if relays {
		needed = append(needed, toRelay[:]...)
	}
	for _, name := range needed {
		answers, _, all := denied(fl.code, name)
		if slices.Contains(atTimes[:], name) && !slices.ContainsFunc(answers, kills) {
			continue
		}
		if all {
			return f.needed(fl, name, answers[0])
		}
	}
	// The supervisor needs this call to forward signals: without it only SIGKILL could
	// end the payload. A recorded profile need not allow it, but no rule may deny it.
	const signal = "pidfd_send_signal"
	answers, _, all := denied(fl.code, signal)
	nr, _ := filter.Native(runtime.GOARCH).Number(signal)
	if all && (slices.ContainsFunc(answers, kills) || fl.policy != nil && fl.policy.Denier(filter.Call{Nr: nr}) != nil) {
		return f.needed(fl, signal, answers[0])
	}
	return nil
}

// needed is the error for a filter that denies a supervisor a call.
func (f *Filter) needed(fl loaded, name string, a filter.Answer) error {
	nr, _ := filter.Native(runtime.GOARCH).Number(name)
	return fmt.Errorf("%s denies %s(2), which the supervisor of this chain needs after it: %v", f.culprit(fl, filter.Call{Nr: nr}, a), name, a.Action)
}

// denied lists how a filter can answer a call with any arguments, and reports whether
// it may deny some of them, and whether it denies all.
func denied(code []unix.SockFilter, name string) (answers []filter.Answer, some, all bool) {
	native := filter.Native(runtime.GOARCH)
	nr, _ := native.Number(name)
	answers, known := filter.Answers(code, native.Audit, filter.Call{Nr: nr})
	allows := func(a filter.Answer) bool { return !a.Action.Denies() }
	some = !known || slices.ContainsFunc(answers, func(a filter.Answer) bool { return !allows(a) })
	return answers, some, known && !slices.ContainsFunc(answers, allows)
}

// stops lists how a filter can answer an op, and reports whether it is certain to stop
// a plan there.
func stops(code []unix.SockFilter, op *plan.Op) (answers []filter.Answer, certain bool) {
	answers, ok := filter.Answers(code, filter.Native(runtime.GOARCH).Audit, filter.Call(op.Call()))
	return answers, ok && !slices.ContainsFunc(answers, func(a filter.Answer) bool { return passes(op, a) })
}

// Stops reports whether filters may stop a plan at an op, and whether they are certain to.
func Stops(filters [][]unix.SockFilter, op *plan.Op) (may, certain bool) {
	for _, code := range filters {
		answers, all := stops(code, op)
		certain = certain || all
		may = may || len(answers) == 0 || slices.ContainsFunc(answers, func(a filter.Answer) bool { return !passes(op, a) })
	}
	return may, certain
}

// stopped reports whether a filter of the plan is certain to stop an op.
func stopped(s *stage.State, op *plan.Op) bool {
	return slices.ContainsFunc(s.Filters, func(code []unix.SockFilter) bool {
		_, certain := stops(code, op)
		return certain
	})
}

// toTell are the calls that may be needed to report a failure and exit.
var toTell = [...]string{"exit_group", "futex", "madvise", "mmap", "munmap", "nanosleep", "rt_sigprocmask", "sigaltstack", "write"}

// toBeHeard are the calls that a stage makes on the socket to an earlier supervisor.
var toBeHeard = [...]string{"fcntl", "getsockopt", "recvfrom", "sendto"}

// toSupervise are the other calls that a supervisor always makes.
var toSupervise = [...]string{"ppoll", "read", "recvmsg", "rt_sigaction", "rt_sigreturn", "wait4"}

// toRelay are the calls of a supervisor that passes on what the payload sends.
var toRelay = [...]string{"getpeername", "sendmsg", "setsockopt"}

// passes reports whether a plan continues after an op with that answer. There is no
// tracer.
func passes(op *plan.Op, a filter.Answer) bool {
	e, fails := a.Action.Errno()
	return !a.Action.Denies() || fails && op.Tolerates(e)
}

func kills(a filter.Answer) bool { return a.Action.Kills() }

// strands reports whether the answer ends only the calling thread, or runs a signal
// handler: a process in which the Go runtime has started other threads hangs or
// crashes.
func strands(a filter.Answer) bool {
	return a.Action.Kills() && a.Action&^unix.SECCOMP_RET_DATA != filter.KillProcess
}

// culprit names what denies a call.
func (f *Filter) culprit(fl loaded, c filter.Call, a filter.Answer) string {
	if f.BPF != "" {
		return fmt.Sprintf("--bpf %s: instruction %d", f.BPF, a.PC)
	}
	profile := "--profile " + f.profile()
	if fl.policy == nil {
		return profile
	}
	switch rule := fl.policy.Denier(c); {
	case rule != nil && rule.Origin != 0:
		return f.written(rule.Origin)
	case f.Default != nil:
		return "--default=" + f.Default.Word()
	}
	return profile + ": defaultAction"
}
