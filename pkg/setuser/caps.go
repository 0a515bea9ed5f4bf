package setuser

import (
	"fmt"
	"strings"

	"hk/pkg/getopt"
	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// docker are the capabilities of a container of Docker: DefaultCapabilities of
// github.com/moby/moby/v2/daemon/pkg/oci/caps.
const docker = 1<<unix.CAP_CHOWN | 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_FSETID | 1<<unix.CAP_FOWNER |
	1<<unix.CAP_MKNOD | 1<<unix.CAP_NET_RAW | 1<<unix.CAP_SETGID | 1<<unix.CAP_SETUID |
	1<<unix.CAP_SETFCAP | 1<<unix.CAP_SETPCAP | 1<<unix.CAP_NET_BIND_SERVICE |
	1<<unix.CAP_SYS_CHROOT | 1<<unix.CAP_KILL | 1<<unix.CAP_AUDIT_WRITE

// ParseCaps parses a list of words that are none, all, docker, +CAP or -CAP, from left to
// right. A list that starts with -CAP starts from all, any other from none. all are the
// available capabilities, docker those of a container of Docker, and last is the highest
// capability that the kernel knows.
func ParseCaps(s string, all uint64, last int) (uint64, error) {
	return capList{all: all, last: last}.parse(s)
}

// A capList is what the words of a list mean.
type capList struct {
	all  uint64
	last int
	// keep is the current set, or nil if keep is not a word of the list.
	keep *uint64
}

func (l capList) parse(s string) (uint64, error) {
	set := uint64(0)
	for i, w := range getopt.List(s) {
		bits, ok := l.named(w)
		switch {
		case ok:
			set = bits
			continue
		case w == "none":
			set = 0
			continue
		case w == keep && l.keep != nil:
			set = *l.keep
			continue
		case len(w) < 2 || w[0] != '+' && w[0] != '-':
			words := "none, all, docker"
			if l.keep != nil {
				words = "none, all, keep, docker"
			}
			return 0, fmt.Errorf("%q is not %s, +CAP or -CAP", w, words)
		}
		if _, ok := l.named(w[1:]); ok {
			return 0, fmt.Errorf("%q: %s is a whole set, which has no sign", w, w[1:])
		}
		c, err := parseCap(w[1:], l.last)
		if err != nil {
			return 0, err
		}
		if i == 0 && w[0] == '-' {
			set = l.all
		}
		if w[0] == '+' {
			set |= 1 << c
		} else {
			set &^= 1 << c
		}
	}
	return set, nil
}

// named is a set that has a name.
func (l capList) named(word string) (bits uint64, ok bool) {
	switch word {
	case "all":
		return l.all, true
	case "docker":
		return docker, true
	}
	return 0, false
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
