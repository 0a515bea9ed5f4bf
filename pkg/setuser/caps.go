package setuser

import (
	"fmt"
	"strings"

	"hk/pkg/getopt"
	"hk/pkg/plan"
	"hk/pkg/stage"
)

// ParseCaps parses none, all, or a list of words that are none, all, +CAP or -CAP, from
// left to right. A list that starts with -CAP starts from all, any other from none. all
// are the available capabilities, and last is the highest capability that the kernel
// knows.
func ParseCaps(s string, all uint64, last int) (uint64, error) {
	set := uint64(0)
	for i, w := range getopt.List(s) {
		switch {
		case w == "none":
			set = 0
			continue
		case w == "all":
			set = all
			continue
		case len(w) < 2 || w[0] != '+' && w[0] != '-':
			return 0, fmt.Errorf("%q is not none, all, +CAP or -CAP", w)
		}
		c, err := parseCap(w[1:], last)
		if err != nil {
			return 0, err
		}
		if i == 0 && w[0] == '-' {
			set = all
		}
		if w[0] == '+' {
			set |= 1 << c
		} else {
			set &^= 1 << c
		}
	}
	return set, nil
}

func parseCap(name string, last int) (int, error) {
	full := strings.ToUpper(name)
	if !strings.HasPrefix(full, "CAP_") {
		full = "CAP_" + full
	}
	for c := 0; c <= last; c++ {
		if plan.CapName(c) == full {
			return c, nil
		}
	}
	return 0, fmt.Errorf("unknown capability %q", name)
}

var securebits = []struct {
	name string
	bit  uint32
}{
	{"noroot", stage.SecbitNoRoot}, {"noroot-locked", 1 << 1},
	{"no-setuid-fixup", stage.SecbitNoSetuidFixup}, {"no-setuid-fixup-locked", 1 << 3},
	{"keep-caps-locked", 1 << 5},
	{"no-cap-ambient-raise", stage.SecbitNoAmbientRaise}, {"no-cap-ambient-raise-locked", 1 << 7},
}

func parseSecurebits(s string) (uint32, error) {
	var bits uint32
	if s == "" {
		return 0, nil
	}
word:
	for _, w := range getopt.List(s) {
		for _, b := range securebits {
			if b.name == strings.ReplaceAll(strings.ToLower(w), "_", "-") {
				bits |= b.bit
				continue word
			}
		}
		return 0, fmt.Errorf("unknown securebit %q", w)
	}
	return bits, nil
}

func securebitsText(bits uint64) string {
	return plan.FlagText(bits, func(yield func(uint64, string) bool) {
		for _, b := range securebits {
			if !yield(uint64(b.bit), "SECBIT_"+strings.ToUpper(strings.ReplaceAll(b.name, "-", "_"))) {
				return
			}
		}
	})
}
