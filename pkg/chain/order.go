package chain

import (
	"fmt"
	"slices"

	"hk/pkg/cause"
	"hk/pkg/host"
	"hk/pkg/stage"
)

// checkPlaces refuses what depends on where the stages are in the chain, before it is planned, and
// to plan for a host that could not be read.
func (c *Chain) checkPlaces(h *host.Host) error {
	if h.Unread != nil {
		return &UsageError{c.Links[0].Kind.Name, h.Unread}
	}
	if err := c.checkLeft(); err != nil {
		return err
	}
	return c.checkOrder(h)
}

// checkOrder refuses a chain in which a stage needs what one before it has taken, or what
// only one after it gives. It knows only what is certain: something that the caller, or a
// program between the stages, may have arranged is left to the stage, and to the kernel.
func (c *Chain) checkOrder(h *host.Host) error {
	links := append(slices.Clip(c.Links), c.ahead...)
	if slices.ContainsFunc(links, func(l Link) bool { return l.Common.ForceOrder }) {
		return nil
	}
	if err := checkTraced(links); err != nil {
		return err
	}
	plan, _, _, _ := c.firstPlan()
	taken := map[stage.Power]string{}
	var given stage.Power
	for i, l := range links {
		order := l.Kind.Order(l.Stage, h)
		for _, p := range stage.Powers() {
			if order.Needs&p == 0 || p == stage.Calls && i >= len(plan) {
				continue
			}
			if err := misplaced(l.Kind.Name, p, taken[p], given, giver(links[i+1:], p, h), h); err != nil {
				return &UsageError{l.Kind.Name, cause.Because(cause.Order, err)}
			}
		}
		for _, p := range stage.Powers() {
			if order.Gives&p != 0 {
				given |= p
				delete(taken, p)
			}
			if order.Takes&p != 0 {
				taken[p] = l.Kind.Name
			}
		}
	}
	return nil
}

// checkTraced refuses a stage that would be executed as a program in a user namespace that was
// joined, before stages that are still to change the process. A program that was just executed
// can be traced, so whoever has capabilities in that namespace would get what the process still
// has: the caller's user ID, root directory and descriptors.
func checkTraced(links []Link) error {
	joiner := ""
	for i, l := range links {
		switch n := l.Stage.Needs(); {
		case n.Joined:
			joiner = l.Kind.Name
		case n.First && joiner != "":
			if later, ok := first(links[i:], func(n stage.Needs) bool { return !n.First }); ok {
				return &UsageError{l.Kind.Name, cause.Because(cause.Order, fmt.Errorf(
					"processes of the user namespace that %s joins could trace it before %s: put it at the end of the chain", joiner, later.Kind.Name))}
			}
		}
	}
	return nil
}

// giver is the first of the links that gives a power, or "".
func giver(links []Link, p stage.Power, h *host.Host) string {
	for _, l := range links {
		if l.Kind.Order(l.Stage, h).Gives&p != 0 {
			return l.Kind.Name
		}
	}
	return ""
}

// misplaced says which stage must be moved, if one needs a power that another one has
// taken, or that only a later one gives.
func misplaced(name string, p stage.Power, taker string, given stage.Power, later string, h *host.Host) error {
	gives := p == stage.OwnUserNS || p == stage.OwnNetNS || p == stage.IDs
	switch {
	case gives && later == "":
		return nil // the stage says what is missing
	case gives && (taker != "" || given&p == 0 && !has(h, p)):
		return fmt.Errorf("it needs %v: put %s before it", p, later)
	case !gives && taker != "":
		return fmt.Errorf("%s %s: put %s before it", taker, p.Taken(), name)
	}
	return nil
}

// has reports whether the caller may have given the power.
func has(h *host.Host, p stage.Power) bool {
	switch p {
	case stage.OwnUserNS:
		return !h.Mapped() || h.Handover.NoUser
	case stage.OwnNetNS:
		return h.Handover.Net || h.OwnNet()
	}
	return true
}
