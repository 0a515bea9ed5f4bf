package why

import (
	"hk/pkg/filter"
	"hk/pkg/plan"
	"hk/pkg/ptrace"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// trap has the filters of the chain return SECCOMP_RET_TRAP in place of an errno, and the last
// of them what the marker returns for a call that it allows. What a filter denies with an
// errno takes precedence over the marker, and so would not stop. A trap does, and it does not
// depend on the tracer that the call is not made: it takes precedence over everything else
// that does not end the process, whatever the payload loads and whoever traces it. The tracer
// only has the call fail with the errno that the filters give for it.
//
// If one of them cannot be changed so, all calls stop; and if one was loaded before the clone,
// which the supervisor has too, or if there is one around hk-why.
func (f *follower) trap(s *stage.State) {
	before := len(s.Filters)
	s.AtEnd(func() error {
		if filtered() || before > 0 || len(s.Filters) == 0 || s.Child.Outlive || s.Next.Stage {
			return nil
		}
		var list [][]unix.SockFilter
		for i, code := range s.Filters {
			then := marker(true, counted(s))
			if i < len(s.Filters)-1 {
				then = nil
			}
			trapping, ok := filter.Trapping(code, ptrace.Mark, then)
			if !ok {
				return nil
			}
			list = append(list, trapping)
		}
		for i, code := range list {
			s.Loads[i].Reload(code)
		}
		f.marked, f.traps, f.tracer.Kill = true, true, true
		s.Report.Comments = append(s.Report.Comments, func() []string {
			return []string{"hk-why: the filters return SECCOMP_RET_TRAP in place of SECCOMP_RET_ERRNO, for which the tracer has the call fail with the errno,",
				"hk-why: and the last one SECCOMP_RET_TRACE for the calls that may be refused"}
		})
		return nil
	})
}

// decided is what the filters answer to a call, and which of them decides: of the
// strictest answers that of the newest filter. ok is false if it depends on where the call
// is made from.
func (f *follower) decided(c ptrace.Call) (answer filter.Answer, which int, ok bool) {
	answer.Action, which = filter.Allow, -1
	for i := len(f.state.Filters) - 1; i >= 0; i-- {
		list, all := filter.Answers(f.state.Filters[i], c.Arch, filter.Call{Nr: c.Nr, Args: c.Args, Known: 1<<6 - 1})
		if !all || len(list) != 1 {
			return answer, which, false
		}
		if strictness(list[0].Action) < strictness(answer.Action) {
			answer, which = list[0], i
		}
	}
	return answer, which, true
}

// strictness is less for an action that takes precedence.
func strictness(a filter.Action) int32 { return int32(uint32(a) &^ unix.SECCOMP_RET_DATA) }

// filtered is the reason for a call that a filter denies.
func (f *follower) filtered(c ptrace.Call, name string, a filter.Answer, which int) reason {
	r := reason{class: bySeccomp, verdict: denied}
	r.what = f.state.Culprits[which](plan.Call{Nr: c.Nr, Args: c.Args, Known: 1<<6 - 1}, a.PC) + " denies it"
	if arch := archOf(c); arch != nil && arch == native() {
		r.stage, r.flags = "hk-seccomp", []string{"--allow", name}
	}
	return r
}

// denies is the errno with which the filters deny a call.
func (f *follower) denies(c ptrace.Call) (unix.Errno, bool) {
	answer, _, ok := f.decided(c)
	e, fails := answer.Action.Errno()
	return e, ok && fails
}

// denied tells of a call that the filters have denied so.
func (f *follower) denied(tid int, c ptrace.Call, errno unix.Errno) {
	answer, which, _ := f.decided(c)
	result := "0"
	if errno != 0 {
		result = unix.ErrnoName(errno)
	}
	f.tell(tid, c, f.filtered(c, nameOf(c), answer, which), result)
}

// killed tells of a call by which a thread has ended, if it is the filters of the chain that
// have ended it.
func (f *follower) killed(tid int, c ptrace.Call) {
	if answer, which, ok := f.decided(c); ok && answer.Action.Kills() {
		f.tell(tid, c, f.filtered(c, nameOf(c), answer, which), answer.Action.String())
	}
}
