package chain

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hk/pkg/stage"
)

// planLines calls each for the command lines of testdata/plan that have a plan.
func planLines(t *testing.T, each func(line string, c *Chain, s *stage.State)) {
	files, _ := filepath.Glob("testdata/plan/*.txt")
	dir := stagesIn(t)
	for _, f := range files {
		for _, line := range strings.Split(readAll(t, f), "\n") {
			words, root := strings.CutPrefix(line, "# hk-")
			words, user := strings.CutPrefix(words, "$ hk-")
			if !root && !user {
				continue
			}
			h := fakeHost(map[bool]uint32{true: 0, false: 1000}[root])
			c, err := parse(t, dir, "hk-"+words, true)
			if err != nil || c.Printer() != nil {
				continue
			}
			c.Links[0].Common.Explain = "text"
			if s, err := c.Plan(h); err == nil {
				each(line, c, s)
			}
		}
	}
}

func readAll(t *testing.T, file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestPurposes checks that each op of the plans in testdata/plan has a purpose.
func TestPurposes(t *testing.T) {
	none, seen := map[string]bool{}, 0
	planLines(t, func(line string, c *Chain, s *stage.State) {
		for _, it := range s.Plan.Items() {
			if seen++; it.Step == nil && it.Purpose() == "" {
				none[it.Text()] = true
			}
		}
	})
	for text := range none {
		t.Error("it is not said what this is for: " + text)
	}
	if seen < 1000 {
		t.Errorf("only %d ops", seen)
	}
}

// TestWhy compares what --explain=why prints for the plans in testdata/why.txt: the lines
// that it adds.
func TestWhy(t *testing.T) {
	const file = "testdata/why.txt"
	var out bytes.Buffer
	dir := stagesIn(t)
	for _, line := range strings.Split(readAll(t, file), "\n") {
		words, ok := strings.CutPrefix(line, "$ ")
		if !ok {
			continue
		}
		c, err := parse(t, dir, words, true)
		if err != nil {
			t.Fatal(err)
		}
		c.Links[0].Common.Explain = "why"
		s, err := c.Plan(fakeHost(1000))
		if err != nil {
			t.Fatal(err)
		}
		s.Report.Comments = nil
		if out.Len() > 0 {
			out.WriteString("\n")
		}
		out.WriteString(line + "\n")
		if err := c.Why(s, &out); err != nil {
			t.Fatal(err)
		}
	}
	got := strings.ReplaceAll(out.String(), dir, "/usr/local/bin")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want := readAll(t, file); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
