package mount

import (
	"os"
	"regexp"
	"testing"
)

// TestControlsInManual checks that hk-mount(1) names what is made read-only.
func TestControlsInManual(t *testing.T) {
	page, err := os.ReadFile("../../docs/man/hk-mount.1")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(procControls, controlFilesystems...) {
		if !regexp.MustCompile(`[\s,]` + regexp.QuoteMeta(name) + `[\s,.]`).Match(page) {
			t.Errorf("%s is not in hk-mount(1)", name)
		}
	}
}
