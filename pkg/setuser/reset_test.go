package setuser

import (
	"strings"
	"testing"
)

func TestVariables(t *testing.T) {
	long := strings.Repeat("x", maxEntry)
	for _, c := range []struct {
		name, home, shell string
		want              string // "" is an error
	}{
		{"u", "/home/u", "/bin/bash", "/home/u /bin/bash u u"},
		{"u", "", "", "/ /bin/sh u u"},
		{"u", "a b=c\xff", "sh", "a b=c\xff sh u u"},
		{"u", long[:maxEntry-9], "/s", long[:maxEntry-9] + " /s u u"},
		{"u", long[:maxEntry-8], "/s", ""},
		{long, "/", "/s", ""},
		{"u", "/", long, ""},
		{"u", "/a\x00b", "/s", ""},
		{"u\x00", "/", "/s", ""},
		{"u", "/", "\x00", ""},
	} {
		values, err := variables([]string{c.name, "x", "1", "1", "", c.home, c.shell})
		if got := strings.Join(values[:], " "); err == nil && got != c.want || err != nil && c.want != "" {
			t.Errorf("variables() of %.20q, %.20q, %.20q = %.40q, %v; want %.40q", c.name, c.home, c.shell, got, err, c.want)
		}
	}
}
