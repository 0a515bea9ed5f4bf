package filter

import (
	"bytes"
	"slices"

	"golang.org/x/sys/unix"
)

// A Summary is what a filter does with the calls of one architecture.
type Summary struct {
	Arch *Arch
	// Others is what it does with a number above those of all calls that are known here, if
	// that does not depend on arguments; otherwise OthersVary is set.
	Others     Action
	OthersVary bool
	// Denied are the names of the calls that it denies whatever their arguments are, by what it
	// does with them, and Varying those for which that depends on arguments, or is not known.
	Denied  map[Action][]string
	Varying []string
	// Allowed is the number of the calls that it allows whatever their arguments are.
	Allowed int
}

// Summarize says what a filter that [Check] accepts does with the calls of each
// architecture that a machine runs. Somebody may have written the filter to take long, so at
// most so many instructions are followed as steps says, from which those are subtracted; what
// is not known then varies. A built-in profile takes a million.
func Summarize(code []unix.SockFilter, native *Arch, steps *int) []Summary {
	var list []Summary
	for _, a := range arches {
		if !native.Runs(a) {
			continue
		}
		s := Summary{Arch: a, Denied: map[Action][]string{}}
		for _, c := range a.table {
			switch act, sure := certain(code, a, c.nr, steps); {
			case !sure:
				s.Varying = append(s.Varying, c.name)
			case act.Denies():
				s.Denied[act] = append(s.Denied[act], c.name)
			default:
				s.Allowed++
			}
		}
		last := uint32(unknownCall)
		if a == X32 {
			last |= x32Bit
		}
		var sure bool
		s.Others, sure = certain(code, a, last, steps)
		s.OthersVary = !sure
		list = append(list, s)
	}
	return list
}

// unknownCall is above all numbers that are assigned in sequence.
const unknownCall = 0xfff

// certain is what a filter does with a call whatever its arguments are.
func certain(code []unix.SockFilter, a *Arch, nr uint32, steps *int) (act Action, sure bool) {
	w := walk{code: code, audit: a.Audit, call: Call{Nr: nr}, most: min(maxSteps, *steps)}
	all := w.from(0, registers{})
	*steps -= min(w.steps, w.most)
	list := w.list
	if !all || len(list) == 0 {
		return 0, false
	}
	return list[0].Action, !slices.ContainsFunc(list, func(o Answer) bool { return o.Action != list[0].Action })
}

// ProfileOf is the name of the built-in profile of which a filter is the compiled form, for
// a program with none or with all of the capabilities that the profile names; or "".
func ProfileOf(code []unix.SockFilter, native *Arch) string {
	text := Encode(code)
	for _, name := range []string{"podman", "docker"} {
		b, _ := builtins(name)
		ready := b.amd64
		if native == AArch64 {
			ready = b.arm64
		}
		for _, r := range ready {
			if bytes.Equal(text, Encode(decode(r))) {
				return name
			}
		}
	}
	return ""
}
