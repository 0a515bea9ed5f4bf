package access

import (
	"slices"
	"testing"
)

// TestDoubts has rights that were perhaps used: what was also used otherwise is not noted.
func TestDoubts(t *testing.T) {
	r := &Recorder{files: map[string]use{"/d": {rights: removeFile | makeDir, dir: true}}}
	r.create("/d/new", ref{name: "/d"})
	r.doubts = []doubt{{"/d", removeFile, "used"}, {"/d/new/x", removeFile, "used below what was created"}, {"/d", removeDir, "not used"}, {"/e", removeFile, "elsewhere"}, {"/d", 0, "unknown"}}
	r.settle()
	if want := []string{"not used", "elsewhere", "unknown"}; !slices.Equal(r.refused, want) || r.doubts != nil {
		t.Errorf("settle() notes %q; want %q", r.refused, want)
	}
}
