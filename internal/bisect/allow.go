package bisect

import (
	"slices"
	"strings"

	"hk/internal/cli"
	"hk/internal/why"
)

// rounds is how often what a payload is refused is looked at: once it is allowed one thing,
// it may be refused the next.
const rounds = 5

// allow looks for flags that would let the payload behave in the whole chain: it is followed
// as by hk-why, and what helps of what that names is found by runs.
func (h *hunt) allow(rep *report, guilty []part) error {
	stages := map[string]bool{}
	for _, p := range guilty {
		stages[h.stages[p.stage].name] = true
	}
	if err := h.follow(rep, stages); err != nil || rep.Allow != nil {
		return err
	}
	if err := h.allowCalls(rep, stages); err != nil || rep.Allow != nil {
		return err
	}
	return h.raise(rep, guilty)
}

// lookFirst follows the payload in the whole chain.
func (h *hunt) lookFirst() (err error) {
	if h.request.noFollow || !h.onePlan {
		return nil
	}
	h.first, err = h.refused(nil)
	return err
}

// follow tries what hk-why names. A stage that is kept gets no flags either, as they would
// allow more than it does.
func (h *hunt) follow(rep *report, stages map[string]bool) error {
	var more []addition
	for round := range rounds {
		refused, fresh := h.first, false
		if round > 0 {
			var err error
			if refused, err = h.refused(more); err != nil {
				return err
			}
		}
		for _, r := range refused {
			rep.note(r, stages)
			a := addition{r.Stage, r.Flags}
			if len(r.Flags) == 0 || h.request.kept(r.Stage) || slices.ContainsFunc(more, func(b addition) bool { return same(a, b) }) {
				continue
			}
			more, fresh = append(more, a), true
		}
		if !fresh {
			return nil
		}
		o, err := h.try(nil, more)
		if err != nil {
			return err
		}
		if o.behaves {
			return h.least(rep, more)
		}
	}
	return nil
}

// least finds the smallest set of additions with which the payload behaves.
func (h *hunt) least(rep *report, more []addition) error {
	more, err := minimize(more, func(list []addition) (bool, error) {
		o, err := h.try(nil, list)
		return err == nil && o.behaves, err
	})
	rep.allowing(more)
	return err
}

// allowCalls tries all calls that the filters deny, for a payload that cannot be followed,
// such as one that traces others itself.
func (h *hunt) allowCalls(rep *report, stages map[string]bool) error {
	const seccomp = "hk-seccomp"
	if !stages[seccomp] || h.request.noFollow {
		return nil
	}
	denied, err := why.Denied(h.chain, h.front.Host)
	if err != nil {
		return nil // it reads something that can be read once
	}
	var more []addition
	for _, d := range denied {
		more = append(more, addition{seccomp, d.Flags})
	}
	if len(more) == 0 {
		return nil
	}
	o, err := h.try(nil, more)
	if err != nil || !o.behaves {
		return err
	}
	rep.Refused = nil
	for _, d := range denied {
		rep.Refused = append(rep.Refused, refusal{Class: d.Class, Call: d.Call, What: d.What, Flags: addition{seccomp, d.Flags}.text()})
	}
	return h.least(rep, more)
}

func same(a, b addition) bool { return a.stage == b.stage && slices.Equal(a.flags, b.flags) }

// refused follows the payload in the chain, and returns what it is refused.
func (h *hunt) refused(more []addition) (list []why.Refused, err error) {
	if h.count >= h.request.maxRuns {
		return nil, errBound
	}
	o, err := h.run(follows, h.words(nil, more))
	if err != nil {
		return nil, err
	}
	for _, e := range o.events {
		if e.Refused != nil {
			list = append(list, *e.Refused)
		}
	}
	return list, nil
}

// text is an addition as it is typed.
func (a addition) text() string {
	words := []string{a.stage}
	for _, f := range a.flags {
		words = append(words, cli.Quote(f))
	}
	return strings.Join(words, " ")
}

func additionNames(list []addition) (names []string) {
	for _, a := range list {
		names = append(names, a.text())
	}
	return names
}
