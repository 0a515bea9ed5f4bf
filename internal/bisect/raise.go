package bisect

import (
	"math/big"
	"slices"
	"strings"
)

// doublings is how often a limit is doubled.
const doublings = 16

const digits = "0123456789"

// ceilings are the flags of hk-limit of which a higher number allows more, and does nothing
// else. In a path or a list of processors a number means something else.
var ceilings = []string{"as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio", "rttime", "sigpending", "stack",
	"memory", "memory-high", "swap", "cpus", "pids", "wall", "max-output"}

// raisable reports whether a flag of hk-limit is a limit that can be raised.
func raisable(flag string) bool {
	name, value, _ := strings.Cut(strings.TrimPrefix(flag, "--"), "=")
	return slices.Contains(ceilings, name) && strings.ContainsAny(value, digits)
}

// raise finds out how much higher the limits of hk-limit would have to be, if they are all
// that is guilty: the same multiple of each, a power of two.
func (h *hunt) raise(rep *report, guilty []part) error {
	var flags []string
	for _, p := range guilty {
		s := h.stages[p.stage]
		if s.name != "hk-limit" || p.flag < 0 || !raisable(s.words[p.flag].head) {
			return nil
		}
		flags = append(flags, s.words[p.flag].head)
	}
	factor := int64(1)
	for range doublings {
		factor *= 2
		a := addition{stage: "hk-limit"}
		for _, f := range flags {
			a.flags = append(a.flags, multiplied(f, factor))
		}
		o, err := h.try(nil, []addition{a})
		if err != nil || o.unbuilt {
			return err // more than what is possible
		}
		if o.behaves {
			rep.Allow = []string{a.text()}
			return nil
		}
	}
	return nil
}

// multiplied is a flag with its numbers multiplied: --nofile=10:20, --as=1.5G, --wall=100ms.
func multiplied(flag string, factor int64) string {
	name, value, _ := strings.Cut(flag, "=")
	var b strings.Builder
	b.WriteString(name + "=")
	for {
		at := strings.IndexAny(value, digits)
		if at < 0 {
			b.WriteString(value)
			return b.String()
		}
		b.WriteString(value[:at])
		value = value[at:]
		rest := strings.TrimLeft(value, digits)
		if after, ok := strings.CutPrefix(rest, "."); ok && strings.TrimLeft(after, digits) != after {
			rest = strings.TrimLeft(after, digits)
		}
		b.WriteString(times(value[:len(value)-len(rest)], factor))
		value = rest
	}
}

func times(n string, factor int64) string {
	r, ok := new(big.Rat).SetString(n)
	if !ok {
		return n
	}
	r.Mul(r, new(big.Rat).SetInt64(factor))
	if r.IsInt() {
		return r.Num().String()
	}
	return strings.TrimRight(r.FloatString(6), "0")
}
