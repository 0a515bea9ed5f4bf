package inspect

import (
	"slices"
	"strings"
	"testing"
)

func TestEndsIn(t *testing.T) {
	for _, c := range []struct {
		words, tail string
		want        bool
	}{
		{"hk-unshare --user hk-idmap -- true", "hk-unshare --user hk-idmap -- true", true},
		{"hk-unshare --user hk-idmap -- true", "/usr/bin/hk-idmap -- true", true},
		{"hk-unshare --user hk-idmap -- true", "hk-idmap -- false", false},
		{"hk-unshare --user hk-idmap -- true", "hk-mount -- true", false},
		{"hk-idmap -- true", "hk-unshare --user hk-idmap -- true", false},
	} {
		if got := endsIn(strings.Fields(c.words), strings.Fields(c.tail)); got != c.want {
			t.Errorf("endsIn(%q, %q) = %v; want %v", c.words, c.tail, got, c.want)
		}
	}
}

func TestAdopts(t *testing.T) {
	s := &Supervisor{PID: 1, Below: []int{2, 3, 4, 5}, Words: strings.Fields("hk-unshare hk-limit -- hk-limit")}
	for _, c := range []struct {
		pid         int
		words, sure string
		want        bool
		own         int
	}{
		{2, "hk-unshare hk-limit -- hk-limit", "", true, 1}, // an init
		{4, "hk-limit -- hk-limit", "", false, 1},           // another program is between
		{3, "hk-limit -- hk-limit", "unsure", true, 2},      // a later stage
		{4, "hk-limit -- true", "", false, 2},               // another chain
	} {
		next := &Supervisor{PID: c.pid, Words: strings.Fields(c.words), Unsure: c.sure}
		if got := s.adopts(next); got != c.want || s.Own != c.own {
			t.Errorf("adopts(%d %q) = %v, own %d; want %v, %d", c.pid, c.words, got, s.Own, c.want, c.own)
		}
	}
	if s.Unsure != "unsure" {
		t.Errorf("unsure: %q", s.Unsure)
	}
}

// TestReused has a report of another process that got the number.
func TestReused(t *testing.T) {
	s := &Supervisor{PID: 7, Below: []int{8}, starts: map[int]int{7: 100, 8: 101}}
	for _, c := range []struct {
		pid, start int
		want       bool
	}{{7, 100, true}, {8, 101, true}, {7, 101, false}, {8, 102, false}, {8, 0, false}, {9, 0, false}, {9, 1, false}} {
		if err := s.reused(c.pid, &Report{start: c.start}); (err == nil) != c.want {
			t.Errorf("process %d, started at %d: %v; want %v", c.pid, c.start, err, c.want)
		}
	}
}

func TestStages(t *testing.T) {
	for _, c := range [][2]string{
		{"/x/hk-limit --wall 1 true", "/x/hk-limit --wall 1 true"},
		{"hk-why -- hk-limit true", "hk-limit true"},
		{"hk-why hk-limit true", "hk-limit true"},
		{"hk-why --ask read:/x hk-limit true", ""},
	} {
		got, err := (&Supervisor{Words: strings.Fields(c[0])}).stages(nil, nil, nil)
		if !slices.Equal(got, strings.Fields(c[1])) || (err == nil) != (c[1] != "") {
			t.Errorf("stages of %q: %q, %v; want %q", c[0], got, err, c[1])
		}
	}
}

// TestInit checks what is said of an init, whose supervisor is in another PID namespace.
func TestInit(t *testing.T) {
	for _, c := range []struct {
		pid    int
		marked bool
		want   bool
	}{{1, false, true}, {1, true, false}, {2, false, false}} {
		var b strings.Builder
		l := level{comparison: comparison{own: &Report{Root: &Root{}}, marked: c.marked}, sup: &Supervisor{PID: c.pid, Words: []string{"hk-limit"}}, pid: 8}
		l.write(&b)
		if got := strings.Contains(b.String(), "# Process 1 may be the init"); got != c.want {
			t.Errorf("process %d, marked %v:\n%s", c.pid, c.marked, &b)
		}
	}
}

// TestLevel checks what is said of a chain, and that only what holds is printed as a command.
func TestLevel(t *testing.T) {
	own := &Report{Root: &Root{Directory: "/"}}
	for _, c := range []struct {
		name, unsure string
		l            level
		want         string
		runs         bool
	}{
		{"exact", "", level{comparison: comparison{marked: true, agrees: []string{"ids"}}}, "# Exact: made by the command line of process 7, hk-limit, of which the kernel tells the same, for process 8: ids", true},
		{"unsure", "Why", level{comparison: comparison{marked: true, agrees: []string{"ids"}}}, "# As the command line of process 7, hk-limit, says. The kernel tells the same of process 8: ids", true},
		{"unmarked", "", level{comparison: comparison{agrees: []string{"ids"}}}, "# Nothing that the kernel tells distinguishes process 8", false},
		{"other", "", level{comparison: comparison{marked: true, differs: []string{"x"}}}, "# Not what the kernel tells of process 8 is the command line of process 7, hk-limit, which says:", false},
		{"not compared", "", level{err: errNoProcfs}, "# As the command line of process 7, hk-limit, says. It was not compared with what the kernel tells: no procfs", false},
	} {
		var b strings.Builder
		c.l.sup, c.l.pid, c.l.own = &Supervisor{PID: 7, Words: []string{"/x/hk-limit", "--", "a\nb"}, Unsure: c.unsure}, 8, own
		c.l.write(&b)
		lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
		last := lines[len(lines)-1]
		if !strings.HasPrefix(lines[0], c.want) || strings.HasPrefix(last, "#") == c.runs || strings.Contains(b.String(), "Why") != (c.unsure != "") {
			t.Errorf("%s:\n%s", c.name, &b)
		}
	}
}
