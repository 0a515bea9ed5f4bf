package stage

import "hk/pkg/plan"

// AllCaps is every capability, as bits, that this source knows or will know.
const AllCaps = ^uint64(0)

// Credentials are those of the thread that performs the plan: capabilities(7). Sets
// are bits by capability number.
type Credentials struct {
	// Root is set if the payload will have user ID 0, to which execve(2) gives
	// capabilities.
	Root bool
	// Permitted are the capabilities that the thread has while it performs the plan.
	Permitted uint64
	// Bounding are the capabilities that a payload with user ID 0 will have.
	Bounding uint64
	// Ambient are the capabilities that another payload will have.
	Ambient uint64
	// NoNewPrivs is set once the no_new_privs attribute is.
	NoNewPrivs bool

	// ChangedIDs is set once an op has changed user, group or supplementary ids,
	// ChangedUser once one has changed the user ID, and SetCaps once one has set the
	// capability sets.
	ChangedIDs, ChangedUser, SetCaps bool
}

// PayloadCaps is what the payload will be able to hold, at the most.
func (s *State) PayloadCaps() uint64 {
	if s.Cred.Root {
		return s.Cred.Bounding
	}
	return s.Cred.Ambient
}

// SetNoNewPrivs appends what sets the no_new_privs attribute, unless that was done
// and a filter may deny it now.
func (s *State) SetNoNewPrivs() {
	if s.Cred.NoNewPrivs && len(s.Filters) > 0 || s.Host.KeepsNoNewPrivs() {
		s.Cred.NoNewPrivs = true
		return
	}
	s.Cred.NoNewPrivs = true
	s.Add(plan.NoNewPrivs())
}

// Gains are the capabilities that the payload gets by execve(2) and the process
// before does not hold.
func (s *State) Gains() uint64 {
	if !s.Cred.Root || s.Cred.NoNewPrivs {
		return 0
	}
	gains := s.Cred.Bounding &^ s.Cred.Permitted & (^uint64(0) >> (63 - s.Host.LastCap))
	if gains != 0 && !s.Host.ExecGains() {
		return 0
	}
	return gains
}
