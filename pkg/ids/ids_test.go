package ids

import (
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		s       string
		id      uint32
		isID    bool
		isCount bool
	}{
		{"0", 0, true, false},
		{"1", 1, true, true},
		{"65534", 65534, true, true},
		{"4294967294", Last, true, true},
		{"4294967295", None, false, true},
		{"4294967296", 0, false, false},
		{"", 0, false, false},
		{"+1", 0, false, false},
		{"-1", 0, false, false},
		{"01", 0, false, false},
		{"0x1", 0, false, false},
		{"1_0", 0, false, false},
		{" 1", 0, false, false},
		{"1junk", 0, false, false},
	} {
		if id, err := Parse(c.s); (err == nil) != c.isID || err == nil && id != c.id {
			t.Errorf("Parse(%q) = %d, %v; want %d, %v", c.s, id, err, c.id, c.isID)
		}
		if n, err := ParseCount(c.s); (err == nil) != c.isCount || err == nil && n != c.id {
			t.Errorf("ParseCount(%q) = %d, %v; want %d, %v", c.s, n, err, c.id, c.isCount)
		}
	}
}

func TestRange(t *testing.T) {
	for _, c := range []struct {
		r, s                   Range
		valid, contains, meets bool // contains is about the first of s
	}{
		{Range{0, 0}, Range{0, 1}, false, false, false},
		{Range{0, 1}, Range{0, 1}, true, true, true},
		{Range{10, 5}, Range{15, 5}, true, false, false},
		{Range{10, 5}, Range{14, 5}, true, true, true},
		{Range{10, 5}, Range{8, 2}, true, false, false},
		{Range{10, 5}, Range{8, 3}, true, false, true},
		{Range{10, 5}, Range{0, Last + 1}, true, false, true},
		{Range{0, Last + 1}, Range{Last, 1}, true, true, true},
		{Range{Last, 1}, Range{Last, 1}, true, true, true},
		{Range{Last, 2}, Range{0, 1}, false, false, false},
		{Range{None, 1}, Range{None, 1}, false, true, true},
		{Range{1, Last + 1}, Range{0, 1}, false, false, false},
	} {
		if got := c.r.Valid(); got != c.valid {
			t.Errorf("%v.Valid() = %v; want %v", c.r, got, c.valid)
		}
		if got := c.r.Contains(c.s.First); got != c.contains {
			t.Errorf("%v.Contains(%d) = %v; want %v", c.r, c.s.First, got, c.contains)
		}
		if a, b := c.r.Overlaps(c.s), c.s.Overlaps(c.r); a != c.meets || b != c.meets {
			t.Errorf("%v.Overlaps(%v) = %v, the other way round %v; want %v", c.r, c.s, a, b, c.meets)
		}
	}
}

func TestParseExtent(t *testing.T) {
	for _, c := range []struct{ words, want, err string }{
		{"7", "7:0:1", ""},
		{"7:8", "7:8:1", ""},
		{"7:8:9", "7:8:9", ""},
		{"0:0:4294967295", "0:0:4294967295", ""},
		{"x:8:9", "", `"x" is not an ID from 0 to 4294967294`},
		{"7::9", "", `"" is not an ID from 0 to 4294967294`},
		{"7:8:0", "", `"0" is not a count from 1 to 4294967295`},
	} {
		f := strings.Split(c.words, ":")
		got, text := "", ""
		if e, err := ParseExtent(f[0], f[1:]...); err != nil {
			text = err.Error()
		} else {
			got = e.String()
		}
		if got != c.want || text != c.err {
			t.Errorf("ParseExtent(%q) = %s, %q; want %s, %q", c.words, got, text, c.want, c.err)
		}
	}
}

func TestMap(t *testing.T) {
	// As the kernel prints it.
	text := "         0       1000          1\n         1     100000      65536\n     70000 4294967294          1\n"
	want := Map{{0, 1000, 1}, {1, 100000, 65536}, {70000, Last, 1}}
	m := ParseMap(text)
	if !slices.Equal(m, want) {
		t.Fatalf("ParseMap(%q) = %v; want %v", text, m, want)
	}
	if got, want := m.String(), "0 1000 1\n1 100000 65536\n70000 4294967294 1\n"; got != want {
		t.Errorf("%v.String() = %q; want %q", []Extent(m), got, want)
	}
	for _, c := range []struct{ outside, inside uint32 }{
		{1000, 0}, {100000, 1}, {165535, 65536}, {Last, 70000},
		{0, None}, {999, None}, {1001, None}, {99999, None}, {165536, None}, {None, None},
	} {
		id, ok := m.Inside(c.outside)
		if id != c.inside || ok != (c.inside != None) || m.Has(c.outside) != ok {
			t.Errorf("%v.Inside(%d) = %d, %v, Has = %v; want %d", []Extent(m), c.outside, id, ok, m.Has(c.outside), c.inside)
		}
	}
	for _, c := range []struct{ inside, outside uint32 }{
		{0, 1000}, {1, 100000}, {65536, 165535}, {70000, Last},
		{65537, None}, {70001, None}, {Last, None}, {None, None},
	} {
		if id, ok := m.Outside(c.inside); id != c.outside || ok != (c.outside != None) {
			t.Errorf("%v.Outside(%d) = %d, %v; want %d", []Extent(m), c.inside, id, ok, c.outside)
		}
	}
	// As the kernel prints it for a process that has no such ID.
	if id, ok := ParseMap("0 4294967295 1\n").Outside(0); ok {
		t.Errorf("Outside(0) = %d, for an ID that is not known", id)
	}
	for _, text := range []string{"", "\n", "0 0\n", "0 0 1 1\n", "a 0 1\n", "-1 0 1\n", "0 4294967296 1\n"} {
		if m := ParseMap(text); len(m) != 0 {
			t.Errorf("ParseMap(%q) = %v; want nothing", text, m)
		}
	}
}

func TestCheck(t *testing.T) {
	lines := func(n uint32) (m Map) {
		for i := range n {
			m = append(m, Extent{i, i, 1})
		}
		return m
	}
	for _, c := range []struct {
		m   Map
		err string
	}{
		{nil, ""},
		{Map{{0, 0, Last + 1}}, ""},
		{Map{{0, 5, 5}, {5, 0, 5}}, ""},
		{lines(340), ""},
		{lines(341), "341 ranges: the kernel accepts at most 340"},
		{Map{{0, 0, 0}}, "0:0:0 has no IDs"},
		{Map{{0, Last, 2}}, "0:4294967294:2 reaches beyond the last ID, 4294967294"},
		{Map{{Last, 0, 2}}, "4294967294:0:2 reaches beyond the last ID, 4294967294"},
		{Map{{None, 0, 1}}, "4294967295:0:1 reaches beyond the last ID, 4294967294"},
		{Map{{0, 1, 2}, {1, 5, 1}}, "0:1:2 and 1:5:1 overlap inside"},
		{Map{{0, 10, 5}, {7, 7, 1}, {10, 12, 1}}, "0:10:5 and 10:12:1 overlap outside"},
	} {
		text := ""
		if err := c.m.Check("inside", "outside"); err != nil {
			text = err.Error()
		}
		if text != c.err {
			t.Errorf("%v.Check() = %q; want %q", []Extent(c.m), text, c.err)
		}
	}
}

// FuzzParseMap checks that a map is read as it is printed, and that no two IDs
// outside have the same one inside, if the map passes.
func FuzzParseMap(f *testing.F) {
	f.Add("0 1000 1\n1 100000 65536\n", uint32(1000), uint32(100000))
	f.Add("0 0 4294967295", uint32(0), None)
	f.Fuzz(func(t *testing.T, text string, a, b uint32) {
		m := ParseMap(text)
		if again := ParseMap(m.String()); !slices.Equal(m, again) {
			t.Errorf("ParseMap(%q) = %v, printed and read again %v", text, m, again)
		}
		if m.Check("inside", "outside") != nil || a == b {
			return
		}
		x, ok := m.Inside(a)
		y, both := m.Inside(b)
		if ok && both && x == y {
			t.Errorf("in %v both %d and %d are %d", []Extent(m), a, b, x)
		}
		if ok && x == None || both && y == None {
			t.Errorf("in %v %d is %d, and %d is %d", []Extent(m), a, x, b, y)
		}
	})
}
