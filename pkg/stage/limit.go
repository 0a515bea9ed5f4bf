package stage

import (
	"maps"

	"hk/pkg/host"
	"hk/pkg/plan"
)

type deferral struct {
	stage string
	ops   []*plan.Op
}

// Rlimit is the soft and the hard limit of a resource at this point of the plan.
func (s *State) Rlimit(resource int) (soft, hard uint64) {
	if l, ok := s.limits[resource]; ok {
		return l[0], l[1]
	}
	return s.Host.Rlimit(resource)
}

// RlimitSet is the soft and the hard limit that the plan sets for a resource, if it does.
func (s *State) RlimitSet(resource int) (soft, hard uint64, ok bool) {
	l, ok := s.limits[resource]
	return l[0], l[1], ok
}

// SetRlimit appends an op that sets a limit, as [State.Limit] does. If this process
// does not have the caller's limit, that is restored first: a process that may not
// raise the one may not raise the other.
func (s *State) SetRlimit(resource int, soft, hard uint64, op *plan.Op) {
	if _, ok := s.limits[resource]; !ok {
		for _, r := range s.Host.Raised {
			if r.Resource == resource {
				s.Limit(s.setrlimit(r))
			}
		}
	}
	if s.limits == nil {
		s.limits = map[int][2]uint64{}
	}
	s.limits[resource] = [2]uint64{soft, hard}
	s.Limit(op)
}

// RestoreLimits appends ops that restore the caller's limits where this process's
// differ, except those that a stage has set. It comes at the end of the plan, because
// the process could not have started with them.
func (s *State) RestoreLimits() {
	for _, r := range s.Host.Raised {
		if _, ok := s.limits[r.Resource]; !ok {
			s.Add(s.setrlimit(r))
		}
	}
}

func (s *State) setrlimit(r host.Rlimit) *plan.Op {
	op := plan.Setrlimit(r.Name, r.Resource, r.Soft, r.Hard)
	if s.Plan.Isolated() {
		op.If = plan.GivenRaised
	}
	return op
}

// Limit appends ops that lower limits: immediately or, if a clone will follow, at the
// end of the child's ops, so that they do not apply to the supervisor and to the rest
// of the child's ops.
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

// Deferred appends the limits that were deferred. It comes right before the ops that
// hand the thread over to the payload.
func (s *State) Deferred() {
	for _, d := range s.deferred {
		s.Plan.Add(d.stage, d.ops...)
	}
	s.deferred = nil
}

// DeferredAgain appends copies of these ops, for a process that ends before the child
// continues.
func (s *State) DeferredAgain() {
	for _, d := range s.deferred {
		for _, op := range d.ops {
			s.Plan.Add(d.stage, op.Again())
		}
	}
}

// Fork is the state of a process that goes on from here beside the child: what it adds to
// the plan changes only its own.
func (s *State) Fork() *State {
	fork := *s
	fork.limits = maps.Clone(s.limits)
	return &fork
}
