package bisect

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"hk/internal/why"
)

// errBound is that there were as many runs as may be.
var errBound = errors.New("as many runs as may be")

// A hunt is the search. What is looked for is a smallest set of parts without which the
// payload behaves: all runs but the first lack some parts, and most have most of the chain.
type hunt struct {
	*subject
	*runner
	request *request
	// known are the outcomes by the words of a run.
	known map[string]*outcome
	// first is what the payload is refused in the whole chain, before a run with less of it
	// may have left traces.
	first []why.Refused
	// went are the parts that had to be left out with others, by those.
	went map[string]map[part]bool
}

// find searches.
func (h *hunt) find() (*report, error) {
	rep := &report{max: h.request.maxRuns}
	h.went = map[string]map[part]bool{}
	whole, err := h.try(nil, nil)
	if err != nil {
		return nil, err
	}
	rep.Whole = whole.end
	switch {
	case whole.unbuilt:
		return nil, fmt.Errorf("the whole chain cannot be performed, so its payload does not run: %s (hk-doctor -- CHAIN says what prevents it)", whole.end)
	case whole.behaves:
		rep.Found = behaves
	default:
		rep.Found = unknown
		if err = h.lookFirst(); err == nil {
			err = h.narrow(rep)
		}
	}
	if errors.Is(err, errBound) {
		rep.Bounded, err = true, nil
	}
	if err == nil && rep.Found == found && !rep.Bounded {
		if err = h.check(rep); errors.Is(err, errBound) {
			rep.Bounded, err = true, nil
		}
	}
	if rep.Found == unknown {
		for _, r := range h.first {
			rep.note(r, nil)
		}
	}
	rep.Runs = h.count
	return rep, err
}

// narrow looks for stages, then for flags, then for elements of their lists, and then for
// what would allow it.
func (h *hunt) narrow(rep *report) error {
	guilty, err := h.guiltyStages(rep)
	if guilty == nil || err != nil {
		return err
	}
	rep.Found = found
	for _, units := range []func([]part) [][]part{h.byFlag, byElement} {
		h.name(rep, guilty)
		smaller, err := minimize(units(guilty), func(list [][]part) (bool, error) { return h.behavesWithout(slices.Concat(list...)) })
		guilty = slices.Concat(smaller...)
		if err != nil {
			h.name(rep, guilty)
			return err
		}
	}
	h.name(rep, guilty)
	return h.allow(rep, guilty)
}

// name notes what was found, and what goes with it.
func (h *hunt) name(rep *report, guilty []part) {
	rep.guilty = set(guilty)
	rep.Without = h.names(rep.guilty)
	also := h.went[key(guilty)]
	rep.Also = h.names(also)
	rep.End = ""
	if o := h.known[strings.Join(h.words(union(rep.guilty, also), nil), "\x00")]; o != nil {
		rep.End = o.end
	}
}

// guiltyStages are all parts of the stages without which the payload behaves: of one stage,
// the last if there are several, or else of a smallest set.
func (h *hunt) guiltyStages(rep *report) ([]part, error) {
	var units [][]part
	for i := len(h.stages) - 1; i >= 0; i-- {
		if h.request.kept(h.stages[i].name) {
			continue
		}
		units = append(units, h.parts(i))
	}
	for _, unit := range h.single(units) {
		if ok, err := h.behavesWithout(unit); ok || err != nil {
			return unit, err
		}
	}
	all := slices.Concat(units...)
	ok, err := h.behavesWithout(all)
	if o := h.known[strings.Join(h.words(set(all), nil), "\x00")]; o != nil {
		rep.Outside = o.end
	}
	if !ok || err != nil {
		return nil, err
	}
	units, err = minimize(units, func(list [][]part) (bool, error) { return h.behavesWithout(slices.Concat(list...)) })
	return slices.Concat(units...), err
}

// single are what is taken away alone first: stages, and before such a stage its flags if it
// can do without.
func (h *hunt) single(units [][]part) (list [][]part) {
	for _, u := range units {
		if i := len(u) - 1; h.stages[u[i].stage].bare() {
			list = append(list, u[:i:i])
		}
		list = append(list, u)
	}
	return list
}

// byFlag groups parts by the flag that they belong to.
func (h *hunt) byFlag(parts []part) (units [][]part) {
	for _, p := range parts {
		if n := len(units) - 1; n >= 0 && units[n][0].stage == p.stage && units[n][0].flag == p.flag {
			units[n] = append(units[n], p)
			continue
		}
		units = append(units, []part{p})
	}
	return units
}

func byElement(parts []part) (units [][]part) {
	for _, p := range parts {
		units = append(units, []part{p})
	}
	return units
}

func set(parts []part) map[part]bool {
	m := map[part]bool{}
	for _, p := range parts {
		m[p] = true
	}
	return m
}

func union(a, b map[part]bool) map[part]bool {
	m := map[part]bool{}
	maps.Copy(m, a)
	maps.Copy(m, b)
	return m
}

func key(parts []part) string { return fmt.Sprint(parts) }

// behavesWithout reports whether the payload behaves if parts are taken away. A stage that
// cannot be performed then is taken away too.
func (h *hunt) behavesWithout(parts []part) (bool, error) {
	without := set(parts)
	went := h.unsafe(without)
	for p := range went {
		if h.request.kept(h.stages[p.stage].name) {
			return false, nil
		}
	}
	for range h.stages {
		o, err := h.try(union(without, went), nil)
		if err != nil {
			return false, err
		}
		if !o.unbuilt {
			h.went[key(parts)] = went
			return o.behaves, nil
		}
		more := h.needy(o.stage, without, went)
		if more == nil {
			return false, nil
		}
		maps.Copy(went, more)
	}
	return false, nil
}

// needy are the parts of the stage that needs what was taken away; nil if it is one of those
// of which something was taken away, or that are kept.
func (h *hunt) needy(name string, without, went map[part]bool) map[part]bool {
	if h.request.kept(name) {
		return nil
	}
	for i, s := range h.stages {
		parts := h.parts(i)
		if s.name != name || slices.ContainsFunc(parts, func(p part) bool { return went[p] }) {
			continue
		}
		if slices.ContainsFunc(parts, func(p part) bool { return without[p] }) {
			continue
		}
		return set(parts)
	}
	return nil
}

// words are those of a run.
func (h *hunt) words(without map[part]bool, more []addition) []string {
	return append(append(h.build(without, more), "--"), h.payload...)
}

// try runs the chain without parts and with additions, unless that was done.
func (h *hunt) try(without map[part]bool, more []addition) (*outcome, error) {
	words := h.words(without, more)
	known := strings.Join(words, "\x00")
	if o := h.known[known]; o != nil {
		return o, nil
	}
	if h.count >= h.request.maxRuns {
		return nil, errBound
	}
	o, err := h.run(performs, words)
	if err != nil {
		return nil, err
	}
	if !h.onePlan && !o.unbuilt && o.end == "exit status 125" && !o.behaves {
		o.unbuilt = true // perhaps a stage that was executed
	}
	h.known[known] = o
	h.tell(without, more, o)
	return o, nil
}

// tell says what a run was, and how it has ended.
func (h *hunt) tell(without map[part]bool, more []addition, o *outcome) {
	if !h.request.verbose {
		return
	}
	text := "the whole chain"
	if list := h.names(without); len(list) > 0 {
		text = "without " + strings.Join(list, ", ")
	}
	if len(more) > 0 {
		text += ", with " + strings.Join(additionNames(more), ", ")
	}
	verdict := map[bool]string{true: "behaves", false: "fails"}[o.behaves]
	if o.unbuilt {
		verdict = "cannot be performed"
	}
	h.front.Say(name, fmt.Sprintf("run %d: %s: %s: %s", h.count, text, verdict, o.end))
}

// check repeats the runs that the result is about: if they end in another way, something
// else than the chain decides too.
func (h *hunt) check(rep *report) error {
	h.known = map[string]*outcome{}
	whole, err := h.try(nil, nil)
	if err != nil {
		return err
	}
	var parts []part
	for i := range h.stages {
		for _, p := range h.parts(i) {
			if rep.guilty[p] {
				parts = append(parts, p)
			}
		}
	}
	ok, err := h.behavesWithout(parts)
	rep.Varies = err == nil && (!ok || whole.behaves)
	return err
}
