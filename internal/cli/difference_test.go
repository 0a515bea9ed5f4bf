package cli

import (
	"bytes"
	"strings"
	"testing"

	"hk/pkg/plan"

	"github.com/rogpeppe/go-internal/diff"
)

func TestPlanLines(t *testing.T) {
	list := []plan.Explained{
		{Stage: "hk-mount", Process: "child", Op: `fsopen("tmpfs", FSOPEN_CLOEXEC)`, Syscall: "fsopen", Gives: []string{"$fs12"}},
		{Stage: "hk-mount", Process: "child", Op: "close($fs12)", Syscall: "close", Tolerated: []string{"EBADF"}},
		{Stage: "hk-idmap", Process: "supervisor", Op: "write \x1b[2J"},
	}
	want := "hk-mount    child      fsopen(\"tmpfs\", FSOPEN_CLOEXEC) = $fs\n" +
		"hk-mount    child      close($fs) or EBADF\n" +
		"hk-idmap    supervisor write \\x1b[2J\n"
	if got := string(planLines(list)); got != want {
		t.Errorf("planLines = %q; want %q", got, want)
	}
}

// TestDifference has one mount more: only that differs, whatever the numbers of the results.
func TestDifference(t *testing.T) {
	a := planLines([]plan.Explained{{Stage: "s", Process: "child", Op: "a($fs)"}, {Stage: "s", Process: "child", Op: "b($fs2)"}})
	b := planLines([]plan.Explained{{Stage: "s", Process: "child", Op: "a($fs)"}, {Stage: "s", Process: "child", Op: "n($fs2)"}, {Stage: "s", Process: "child", Op: "b($fs3)"}})
	got := string(diff.Diff("x", a, "plan", b))
	if strings.Count(got, "\n+s ") != 1 || strings.Contains(got, "\n-s ") || !strings.Contains(got, "+s           child      n($fs)\n") {
		t.Errorf("the difference is\n%s", got)
	}
}

// FuzzParsePlan checks that any file is a plan or an error, and printed in safe lines.
func FuzzParsePlan(f *testing.F) {
	for _, s := range []string{`[]`, `[{"stage":"hk-mount","process":"child","op":"close($fs2)","gives":["$a1"],"tolerated":["EBADF"]}]`, `{}`, `null`, `[{}]x`, "[{\"op\":\"\\u001b\"}]"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := parsePlan(b)
		if err != nil {
			return
		}
		lines := planLines(list)
		if n := bytes.Count(lines, []byte("\n")); n != len(list) {
			t.Errorf("%q has %d ops and is printed in %d lines", b, len(list), n)
		}
		if bytes.ContainsAny(lines, "\x1b\r\x00") {
			t.Errorf("%q is printed as %q", b, lines)
		}
	})
}
