package unshare

import (
	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// enter adds the ops that create the new namespaces and join existing ones: a clone if
// the payload is to be another process.
func (n *Namespaces) enter(s *stage.State, all *joining) error {
	f, joined := n.flags(), n.joined()
	now := f &^ unix.CLONE_NEWTIME
	// What the clone creates; a cgroup namespace comes after a move.
	first := now
	if s.Child.Moves {
		first &^= unix.CLONE_NEWCGROUP
	}
	switch {
	case joined == 0 && (n.Init || s.Child.Init && f&unix.CLONE_NEWPID != 0):
		return n.enterWithInit(s, first, now&^first)
	case joined != 0 && ((f|joined)&unix.CLONE_NEWPID != 0 || f&unix.CLONE_NEWUSER != 0):
		return n.enterBelowJoiner(s, all, now)
	}
	made := first
	if n.clones() {
		if joined == 0 {
			now &^= first
		} else {
			made = 0 // new namespaces belong to the joined one
		}
		own := s.Child.OwnMemory || (f|joined)&unix.CLONE_NEWTIME != 0 || joined&exposing != 0
		stage.Privileged(made, s.Plan.Clone(s.Name, made, own))
		s.Child.Outlive = n.Outlive
		s.DieWithSupervisor()
		if err := s.Child.Begin(); err != nil {
			return err
		}
	}
	if err := all.enter(s); err != nil {
		return err
	}
	if n.clones() && joined&unix.CLONE_NEWUSER != 0 {
		s.DieWithSupervisor()
	}
	if now != 0 {
		s.Add(stage.Privileged(now, plan.Unshare(now)))
	}
	return nil
}

// enterWithInit clones an init, which creates late namespaces itself before it clones the
// child.
//
// Init dies with the supervisor, and everything in its PID namespace dies with it. If
// the supervisor has ended earlier, the child gets no answer.
func (n *Namespaces) enterWithInit(s *stage.State, first, late uint64) error {
	var err error
	s.NS.Init, s.Child.Outlive = true, n.Outlive
	s.Plan.Lingers, s.Plan.Leaves = n.InitWaits, n.InitWaits && n.Outlive
	stage.Privileged(first, s.Plan.CloneInit(s.Name, first, func() {
		if !n.Outlive {
			s.Add(plan.ParentDeathSignal(unix.SIGKILL))
		}
		if err = s.Child.Begin(); err == nil && late != 0 {
			s.Add(stage.Privileged(late, plan.Unshare(late)))
		}
	}))
	if !n.Outlive {
		s.Plan.CheckSupervisor()
	}
	return err
}

// enterBelowJoiner clones a joiner, which enters the existing namespaces and then clones
// the child with the new ones, or an init above it. A PID namespace inside a joined one is
// created by a member of that one.
func (n *Namespaces) enterBelowJoiner(s *stage.State, all *joining, now uint64) error {
	s.Child.Outlive = n.Outlive
	s.Plan.CloneJoiner(s.Name)
	s.DieWithSupervisor()
	if err := all.enter(s); err != nil {
		return err
	}
	if n.joined()&unix.CLONE_NEWUSER != 0 {
		s.DieWithSupervisor()
	}
	if n.joined()&unix.CLONE_NEWPID != 0 && now&unix.CLONE_NEWPID != 0 {
		s.Plan.Fork(s.Name)
		s.DieWithSupervisor()
	}
	if err := s.Child.Begin(); err != nil {
		return err
	}
	if n.Init {
		s.NS.Init = true
		s.Plan.Lingers, s.Plan.Leaves = n.InitWaits, n.InitWaits && n.Outlive
		stage.Privileged(now, s.Plan.CloneInitChild(s.Name, now, s.DieWithSupervisor))
	} else {
		stage.Privileged(now, s.Plan.CloneChild(s.Name, now))
	}
	s.DieWithSupervisor()
	return nil
}
