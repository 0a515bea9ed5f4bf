package why

import (
	"fmt"
	"runtime"
	"slices"
	"strings"

	"hk/pkg/filter"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// call is what the filters say of a system call of this architecture.
func (s *subject) call(name string, c filter.Call) []reason {
	audit := filter.Native(runtime.GOARCH).Audit
	var list []reason
	for i, code := range s.state.Filters {
		answers, all := filter.Answers(code, audit, c)
		var denials []filter.Answer
		for _, a := range answers {
			if a.Action.Denies() {
				denials = append(denials, a)
			}
		}
		if all && len(denials) == 0 {
			continue
		}
		r := reason{class: bySeccomp, verdict: denied, stage: "hk-seccomp", flags: []string{"--allow", selection(name, c)}}
		if !all || len(denials) < len(answers) {
			r.verdict = unknown
		}
		culprit := "the filter"
		if len(denials) > 0 {
			culprit = s.state.Culprits[i](plan.Call(c), denials[0].PC)
		}
		if r.what = fmt.Sprintf("%s denies %s(2): %s", culprit, name, outcomes(denials)); r.verdict == unknown {
			r.what = fmt.Sprintf("it depends on the arguments of %s(2) whether %s denies it: %s", name, culprit, outcomes(answers))
		}
		list = append(list, r)
	}
	return list
}

// calls is the same for several calls, of which any is needed.
func (s *subject) calls(names ...string) (list []reason) {
	for _, name := range names {
		if nr, ok := filter.Native(runtime.GOARCH).Number(name); ok {
			list = append(list, s.call(name, filter.Call{Nr: nr})...)
		}
	}
	return list
}

// socket is what the filters say of a TCP socket.
func (s *subject) socket() []reason {
	nr, _ := filter.Native(runtime.GOARCH).Number("socket")
	return s.call("socket", filter.Call{Nr: nr, Args: [6]uint64{unix.AF_INET, unix.SOCK_STREAM}, Known: 0b111})
}

// selection is a call as hk-seccomp takes it.
func selection(name string, c filter.Call) string {
	var conds []string
	for i, v := range c.Args {
		if c.Known>>i&1 != 0 {
			conds = append(conds, fmt.Sprintf("arg%d==%d", i, v))
		}
	}
	if conds == nil {
		return name
	}
	return name + "(" + strings.Join(conds, ",") + ")"
}

// outcomes lists what becomes of a call.
func outcomes(answers []filter.Answer) string {
	var words []string
	for _, a := range answers {
		word := a.Action.String()
		if e, fails := a.Action.Errno(); fails && e != 0 && unix.ErrnoName(e) != "" {
			word = unix.ErrnoName(e)
		}
		if !slices.Contains(words, word) {
			words = append(words, word)
		}
	}
	if words == nil {
		return "what becomes of it was not found out"
	}
	return strings.Join(words, " or ")
}
