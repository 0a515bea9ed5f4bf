package stage

import "hk/pkg/host"

// A Power is something that stages need, and that others give to, or take from, those after
// them in a chain.
type Power uint8

// The powers, in the order of [Powers].
const (
	// OwnUserNS is a new user namespace, and OwnNetNS a new network namespace.
	OwnUserNS Power = 1 << iota
	OwnNetNS
	// IDs are the maps of a new user namespace.
	IDs
	// Mounting is that mounts are not forbidden.
	Mounting
	SysAdmin
	NetAdmin
	// Calls is that no filter of the chain may deny the calls of the stage. It is lost only
	// for stages of the same plan: later ones find out for themselves.
	Calls
)

// powers says in words what is needed, and what a stage does that takes it.
var powers = []struct {
	power       Power
	name, takes string
}{
	{OwnUserNS, "a new user namespace", ""},
	{OwnNetNS, "a new network namespace", ""},
	{IDs, "ID maps", "leaves the IDs of the user namespace unmapped"},
	{Mounting, "mounts", "forbids mounts"},
	{SysAdmin, "CAP_SYS_ADMIN", "drops CAP_SYS_ADMIN"},
	{NetAdmin, "CAP_NET_ADMIN", "drops CAP_NET_ADMIN"},
	{Calls, "all system calls", "may deny the calls of stages after it"},
}

// Powers lists the powers.
func Powers() (list []Power) {
	for _, p := range powers {
		list = append(list, p.power)
	}
	return list
}

// String is the name of one power.
func (p Power) String() string {
	for _, e := range powers {
		if e.power == p {
			return e.name
		}
	}
	return ""
}

// Taken says what a stage does that takes the power.
func (p Power) Taken() string {
	for _, e := range powers {
		if e.power == p {
			return e.takes
		}
	}
	return ""
}

// A Rule says what a stage with certain settings needs of the stages before it, and what it
// gives to those after it or takes from them. What it takes is taken for certain.
type Rule struct {
	// When are the settings in words, as in hk-chain(7); "" are all.
	When string
	// Is reports whether a stage has them. nil stands for all settings.
	Is                  func(Stage, *host.Host) bool
	Needs, Gives, Takes Power
}

// Order combines the rules that apply to the settings of a stage.
func (k *Kind) Order(s Stage, h *host.Host) (r Rule) {
	if w, ok := s.(Wrapper); ok {
		s = w.Unwrap()
	}
	for _, rule := range k.Rules {
		if rule.Is == nil || rule.Is(s, h) {
			r.Needs |= rule.Needs
			r.Gives |= rule.Gives
			r.Takes |= rule.Takes
		}
	}
	return r
}
