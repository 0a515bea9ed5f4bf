package test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestInspectBetween compares what a payload sees in a chain with what it sees if there is
// an hk-inspect before, between and after the stages.
func TestInspectBetween(t *testing.T) {
	const look = "hk-inspect --only ids"
	eachEqual(t, func(t *testing.T, line string) { compareWithInspect(t, line, look) })
}

// covers are the mounts that make what controls the kernel read-only. Where each stage
// executes the next one, and hk-inspect is between hk-unshare and hk-idmap, it is not known
// whether the payload is the machine's root, and hk-mount makes them for an ordinary user, too.
var covers = regexp.MustCompile(`(?m)^0:N /(\w+) /proc/(\w+) ro,.*\n`)

func compareWithInspect(t *testing.T, line, inspect string) {
	seen := func(line, fuse string) string {
		_, text, _ := strings.Cut(look(t, line, fuse), "== ids") // after what hk-inspect has printed
		if os.Getuid() != 0 && fuse == "0" {
			text = covers.ReplaceAllString(text, "")
		}
		return text
	}
	without := map[string]string{}
	for _, fuse := range []string{"0", "1"} {
		without[fuse] = seen(line, fuse)
	}
	stages := strings.Split(line, " hk-")
	for i := range len(stages) + 1 {
		// The one between two stages, or at an end, and in the last turn all of them.
		parts := make([]string, 0, 2*len(stages))
		for j, s := range stages {
			if j > 0 {
				s = "hk-" + s
			}
			if j == i || i == len(stages) {
				parts = append(parts, inspect)
			}
			parts = append(parts, s)
		}
		if i == len(stages) {
			parts = append(parts, inspect)
		}
		with := strings.Join(parts, " ")
		fuses := []string{"1"}
		if i == len(stages) {
			fuses = []string{"1", "0"}
		}
		for _, fuse := range fuses {
			if got := seen(with, fuse); got != without[fuse] {
				t.Errorf("HK_FUSE=%s %s\nwithout and with hk-inspect differ:\n%s", fuse, with, diff(without[fuse], got))
			}
		}
	}
}
