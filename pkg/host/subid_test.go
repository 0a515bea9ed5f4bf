package host

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"hk/pkg/ids"
)

func TestParseSubIDs(t *testing.T) {
	for _, c := range []struct {
		content string
		want    []ids.Range
		err     string
	}{
		{"", nil, ""},
		{"u:100000:65536\n", []ids.Range{{First: 100000, Count: 65536}}, ""},
		{"other:1:1\nu:5:6\n1000:7:8", []ids.Range{{First: 5, Count: 6}, {First: 7, Count: 8}}, ""},
		{"# u:1:2\n\nother:x\nother\n u:5:6 \n", []ids.Range{{First: 5, Count: 6}}, ""},
		{"other:1:1\nu:5\n", nil, `2: "u:5": a line is USER:FIRST:COUNT`},
		{"u:5:6:7\n", nil, `1: "u:5:6:7": a line is USER:FIRST:COUNT`},
		{"u\n", nil, `1: "u": a line is USER:FIRST:COUNT`},
		{"\n1000:5:x\n", nil, `2: "1000:5:x": "x" is not a number of IDs`},
		{"u:-5:1\n", nil, `1: "u:-5:1": "-5" is not a number of IDs`},
		{"u:5:4294967296\n", nil, `1: "u:5:4294967296": "4294967296" is not a number of IDs`},
		{"u:5:0\n", nil, `1: "u:5:0": 0 IDs from 5 on are out of range`},
		{"u:4294967290:10\n", nil, `1: "u:4294967290:10": 10 IDs from 4294967290 on are out of range`},
		{strings.Repeat("u:5:6\n", 1001), nil, `1001: "u:5:6": more than 1000 lines give IDs to user 1000`},
	} {
		got, err := parseSubIDs(strings.NewReader(c.content), "u", "1000")
		text := ""
		if err != nil {
			text = err.Error()
		}
		if text != c.err || c.err == "" && !slices.Equal(got, c.want) {
			t.Errorf("parseSubIDs(%.40q) = %v, %q; want %v, %q", c.content, got, text, c.want, c.err)
		}
	}
}

func FuzzParseSubIDs(f *testing.F) {
	f.Add("u:5:6\n1000:7:8\nv:1:2\n")
	f.Fuzz(func(t *testing.T, content string) {
		got, err := parseSubIDs(strings.NewReader(content), "u", "1000")
		if err != nil {
			return
		}
		var again strings.Builder
		for _, r := range got {
			if !r.Valid() {
				t.Errorf("parseSubIDs(%q) has %v", content, r)
			}
			fmt.Fprintf(&again, "u:%d:%d\n", r.First, r.Count)
		}
		if got2, err := parseSubIDs(strings.NewReader(again.String()), "u", "1000"); err != nil || !slices.Equal(got, got2) {
			t.Errorf("parseSubIDs(%q) = %v, printed and parsed %v, %v", content, got, got2, err)
		}
	})
}
