package stage

import (
	"hk/pkg/host"
	"hk/pkg/plan"
)

type deferral struct {
	stage string
	ops   []*plan.Op
}

// Rlimit is the soft and the hard limit of a resource at this place.
func (s *State) Rlimit(resource int) (soft, hard uint64) {
	if l, ok := s.limits[resource]; ok {
		return l[0], l[1]
	}
	return s.Host.Rlimit(resource)
}

// SetRlimit appends an op that sets a limit, as [State.Limit] does. If this
// process does not have the limit of the caller, it gets that first: who may not
// raise the one may not raise the other.
func (s *State) SetRlimit(resource int, soft, hard uint64, op *plan.Op) {
	if _, ok := s.limits[resource]; !ok {
		for _, r := range s.Host.Raised {
			if r.Resource == resource {
				s.Limit(setrlimit(r))
			}
		}
	}
	if s.limits == nil {
		s.limits = map[int][2]uint64{}
	}
	s.limits[resource] = [2]uint64{soft, hard}
	s.Limit(op)
}

// RestoreLimits appends ops by which the process gets the limits of the caller
// that it does not have, but for those that a stage has set. It belongs to the
// end of the plan: with them it could not have started.
func (s *State) RestoreLimits() {
	for _, r := range s.Host.Raised {
		if _, ok := s.limits[r.Resource]; !ok {
			s.Add(setrlimit(r))
		}
	}
}

func setrlimit(r host.Rlimit) *plan.Op { return plan.Setrlimit(r.Name, r.Resource, r.Soft, r.Hard) }

// Limit appends ops that lower limits: at once, or, while a clone is to come,
// at the end of the child's ops, so that they do not hold for the supervisor
// and for what the child has yet to do.
func (s *State) Limit(ops ...*plan.Op) {
	if s.Child.Planned && !s.Plan.Cloned() {
		for _, op := range ops {
			op.For(s.Plan.For)
		}
		s.deferred = append(s.deferred, deferral{s.Name, ops})
		return
	}
	s.Add(ops...)
}

// Deferred appends the limits that were put off. It belongs right before what
// gives the thread to the payload.
func (s *State) Deferred() {
	for _, d := range s.deferred {
		s.Plan.Add(d.stage, d.ops...)
	}
	s.deferred = nil
}
