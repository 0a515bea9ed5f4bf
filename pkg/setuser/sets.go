package setuser

import (
	"fmt"

	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// A request is what --caps and the flags for single sets ask for; nil is nothing.
type request struct {
	caps, bounding, inheritable, ambient *uint64
	// becomes is set if the IDs become those of a user other than root, whose
	// capabilities the kernel removes.
	becomes bool
}

func (c *Credentials) request(s *stage.State) (r request, err error) {
	parse := func(flag, text string, l capList) *uint64 {
		if text == "" || err != nil {
			return nil
		}
		l.last = s.Host.LastCap
		set, e := l.parse(text)
		if e != nil {
			err = fmt.Errorf("--%s: %w", flag, e)
		}
		return &set
	}
	all := s.Cred.Permitted
	if c.Caps != keep {
		r.caps = parse("caps", c.Caps, capList{all: all})
	}
	if r.caps != nil {
		all = *r.caps
	}
	r.bounding = parse("bounding", c.Bounding, capList{all: s.Cred.Bounding, keep: &s.Cred.Bounding})
	r.inheritable = parse("inheritable", c.Inheritable, capList{all: all, keep: &s.Cred.Inheritable})
	r.ambient = parse("ambient", c.Ambient, capList{all: all, keep: &s.Cred.Ambient})
	r.becomes = c.User.changes() && !c.User.isRoot()
	return r, err
}

// sets are the sets that a thread has when the stage is done.
type sets struct {
	permitted, inheritable, ambient uint64
	// asIs is set if the effective set is not changed; otherwise it is the permitted one.
	asIs bool
}

// sets are what the flags ask for, or nil if they leave it to the change of the IDs. What
// the kernel refuses is an error.
func (r request) sets(s *stage.State) (*sets, error) {
	if err := r.checkBounding(s); err != nil {
		return nil, err
	}
	if r.caps == nil && r.inheritable == nil && r.ambient == nil {
		return nil, nil
	}
	want := sets{permitted: s.Cred.Permitted, inheritable: s.Cred.Inheritable, ambient: s.Cred.Ambient, asIs: true}
	switch {
	case r.caps != nil:
		want = sets{permitted: *r.caps, inheritable: *r.caps, ambient: *r.caps}
	case r.becomes:
		want = sets{}
	}
	if r.inheritable != nil {
		want.inheritable = *r.inheritable
	}
	if r.ambient != nil {
		want.ambient = *r.ambient
	}
	if err := r.checkInheritable(s, want); err != nil {
		return nil, err
	}
	if err := r.checkAmbient(s, want); err != nil {
		return nil, err
	}
	if r.caps == nil && r.becomes {
		want.permitted = want.ambient
	}
	return &want, nil
}

// keeps is what remains of the bounding set.
func (r request) keeps() uint64 {
	switch {
	case r.bounding != nil:
		return *r.bounding
	case r.caps != nil:
		return *r.caps
	}
	return ^uint64(0)
}

func (r request) checkBounding(s *stage.State) error {
	if r.bounding == nil {
		return nil
	}
	if more := *r.bounding &^ s.Cred.Bounding; more != 0 {
		return fmt.Errorf("--bounding: %s: the process does not have it in the bounding set, to which nothing can be added", plan.CapNames(more))
	}
	return nil
}

// checkInheritable reports what capset(2) would refuse. --caps alone is left to the kernel.
func (r request) checkInheritable(s *stage.State, want sets) error {
	if r.inheritable == nil && r.bounding == nil {
		return nil
	}
	flag, instead := "--inheritable", ""
	if r.inheritable == nil {
		flag, instead = "--caps", ": use --inheritable and --ambient too, for example with none"
	}
	if more := want.inheritable &^ (s.Cred.Inheritable | s.Cred.Bounding&r.keeps()); more != 0 {
		return fmt.Errorf("%s: %s cannot become inheritable, because it is not in the bounding set%s", flag, plan.CapNames(more), instead)
	}
	allowed := s.Cred.Inheritable | s.Cred.Permitted
	if s.Cred.Has(unix.CAP_SETPCAP) && !r.becomes {
		allowed |= s.Cred.Bounding
	}
	if more := want.inheritable &^ allowed; more != 0 {
		return fmt.Errorf("%s: %s cannot become inheritable, because it is not permitted", flag, plan.CapNames(more))
	}
	return nil
}

// checkAmbient reports what PR_CAP_AMBIENT_RAISE would refuse, and what would be lowered
// although no flag asks for it.
func (r request) checkAmbient(s *stage.State, want sets) error {
	const rule = "only a capability that is permitted and inheritable can be ambient"
	held := s.Cred.Permitted
	if r.caps != nil {
		held = *r.caps
	}
	if more := want.ambient &^ held; r.ambient != nil && more != 0 {
		return fmt.Errorf("--ambient: %s is not permitted: %s", plan.CapNames(more), rule)
	}
	more := want.ambient &^ want.inheritable
	switch {
	case more == 0:
		return nil
	case r.ambient != nil:
		return fmt.Errorf("--ambient: %s is not inheritable: %s; use --inheritable too", plan.CapNames(more), rule)
	}
	return fmt.Errorf("--inheritable: %s would be ambient, and %s: use --ambient too, for example with none", plan.CapNames(more), rule)
}

// planSets sets them.
func planSets(s *stage.State, want sets) {
	effective := want.permitted
	if want.asIs {
		effective = s.Cred.Effective
	}
	s.Capset(effective, want.permitted, want.inheritable)
	s.LowerAmbient(s.Cred.Ambient &^ want.ambient)
	s.RaiseAmbient(want.ambient)
}
