package chain

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// partsOf are the parts of a chain for an ordinary user, not fused.
func partsOf(t *testing.T, line string) ([]Part, error) {
	t.Helper()
	words := strings.Fields(line)
	c, err := Read(ByName(words[0]), words, &Finder{ByFD: true, Fuse: true})
	if err != nil {
		t.Fatal(err)
	}
	h := fakeHost(1000)
	h.SelfFD = 9
	return c.Parts(h, false)
}

// TestParts checks what each stage finds after those before it, as far as later plans depend on
// it.
func TestParts(t *testing.T) {
	list, err := partsOf(t, "hk-unshare --user --pid --net hk-idmap --root hk-limit --nofile 300 hk-setuser --caps none --explain=diff hk-limit --core 0 -- x --explain")
	if err != nil || len(list) != 5 {
		t.Fatalf("Parts = %d parts, %v; want 5", len(list), err)
	}
	h := list[1].State.Host
	if !h.Handover.Unmapped || h.UID != 1000 || h.Mapped() || !h.UserNS() || !h.OwnNet() || h.PID != 1 || h.Parent != 0 || h.ParentDeathSignal != unix.SIGKILL || !h.Handover.Ambient || h.Permitted != h.AllCaps() {
		t.Errorf("hk-idmap finds %+v", h)
	}
	h = list[2].State.Host
	if h.Handover.Unmapped || h.UID != 0 || !h.Mapped() || !h.NoSetgroups() {
		t.Errorf("hk-limit finds %+v", h)
	}
	if root, known := h.HostRoot(); !known || root != ^uint32(0) {
		t.Errorf("HostRoot = %d, %v; want none", root, known)
	}
	h = list[3].State.Host
	if soft, hard := h.Rlimit(unix.RLIMIT_NOFILE); soft != 300 || hard != 300 {
		t.Errorf("hk-setuser finds the limits %d and %d; want 300", soft, hard)
	}
	if h = list[4].State.Host; h.Permitted != 0 || h.Bounding != 0 || h.Handover.Ambient {
		t.Errorf("the last stage finds %+v", h)
	}
	for i, p := range list {
		ops := p.Explain()
		last := ops[len(ops)-1]
		if p.Depth != min(i, 1) || last.Process != "child" || strings.Contains(last.Op, "--explain=") {
			t.Errorf("part %d is at depth %d and ends with %s %s", i, p.Depth, last.Process, last.Op)
		}
	}
	if last := list[4].Explain(); !strings.Contains(last[len(last)-1].Op, `["x", "--explain"]`) {
		t.Errorf("the payload is executed by %s", last[len(last)-1].Op)
	}
}

// TestPartsStop has stages whose plans are not known, or not possible, before they run.
func TestPartsStop(t *testing.T) {
	for _, c := range []struct {
		line, stage string
		unknown     bool
		n           int
	}{
		{"hk-unshare --user --mount --pid hk-idmap --root hk-mount --rootfs / --proc hk-mount --in-place --tmpfs /srv -- x", "hk-mount", true, 3},
		{"hk-limit --core 0 hk-inspect -- x", "hk-inspect", true, 1},
		{"hk-unshare --user hk-idmap --uid 0:100000:9 hk-limit --core 0 -- x", "hk-idmap", false, 1},
	} {
		list, err := partsOf(t, c.line)
		var unknown *UnknownError
		var usage *UsageError
		switch {
		case len(list) != c.n:
			t.Errorf("%s: %d parts, %v; want %d", c.line, len(list), err, c.n)
		case c.unknown && (!errors.As(err, &unknown) || unknown.Stage != c.stage):
			t.Errorf("%s: %v; want what is not known of %s", c.line, err, c.stage)
		case !c.unknown && (!errors.As(err, &usage) || usage.Stage != c.stage):
			t.Errorf("%s: %v; want an error of %s", c.line, err, c.stage)
		}
	}
}
