package test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestNoHugePages checks that the heap of a supervisor never consists of huge pages,
// which would be 2 MiB and more for each, whatever the machine does by default.
func TestNoHugePages(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("an ordinary user may not inspect a supervisor")
	}
	_, err := os.Stat("/sys/kernel/mm/transparent_hugepage")
	require(t, "transparent huge pages", err == nil)
	for dir, want := range map[string]bool{"": true, "plain": false} {
		j := startCat(t, filepath.Join(bin, dir, "hk-unshare")+" --setsid")
		exempt, all := heapMappings(t, j.Process.Pid)
		if all == 0 || (exempt == all) != want {
			t.Errorf("%s: of %d mappings that hold a huge page, %d never do", j.Path, all, exempt)
		}
		j.Process.Signal(unix.SIGTERM)
		j.end()
	}
}

// heapMappings counts the anonymous mappings of a process that are used and certain to
// have room for a huge page, and those of them that are exempt from huge pages. They are
// the heap and its index; other memory of the runtime is in smaller mappings.
func heapMappings(t *testing.T, pid int) (exempt, all int) {
	t.Helper()
	mapping := regexp.MustCompile(`(?m)^([0-9a-f]+)-([0-9a-f]+) rw-p .* 0 *$`)
	text := readFile(t, fmt.Sprintf("/proc/%d/smaps", pid))
	for _, at := range mapping.FindAllStringSubmatchIndex(text, -1) {
		var low, high uint64
		fmt.Sscanf(text[at[0]:], "%x-%x", &low, &high)
		about, _, _ := strings.Cut(text[at[1]:], "VmFlags:")
		flags, _, _ := strings.Cut(text[at[1]+len(about):], "\n")
		const huge = 2 << 20
		if high-low < 2*huge || strings.Contains(about, "\nAnonymous:             0 kB") {
			continue
		}
		all++
		if strings.Contains(flags+" ", " nh ") {
			exempt++
		}
	}
	return exempt, all
}

// TestDebugDefaults compares the settings that the Makefile gives the Go runtime, and
// those of these tests, with the go:debug lines that they replace.
func TestDebugDefaults(t *testing.T) {
	sources(t)
	if !strings.Contains(readFile(t, "../Makefile"), "\nGODEBUG_DEFAULT = "+godebug+"\n") {
		t.Errorf("the Makefile does not set %s", godebug)
	}
	programs, _ := filepath.Glob("../cmd/*/main.go")
	for _, p := range programs {
		for line := range strings.Lines(readFile(t, p)) {
			if set, ok := strings.CutPrefix(strings.TrimSpace(line), "//go:debug "); ok && !strings.Contains(","+godebug+",", ","+set+",") {
				t.Errorf("%s: %s is not in %s", p, set, godebug)
			}
		}
	}
}
