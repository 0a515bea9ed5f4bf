package setuser

import (
	"slices"
	"strings"
	"testing"
)

// FuzzDatabase checks that what is read of a line is what stands there, and that
// a line that is left out is counted.
func FuzzDatabase(f *testing.F) {
	for _, line := range []string{"root:x:0:0::/root:/bin/sh", "g:x:5:a,b", "", "#", "+", "x:y:z", "a:x:00:1:::", "a::4294967294:0::::"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		for _, kind := range []database{{path: "etc/passwd", fields: 7, ids: 2}, {path: "etc/group", fields: 4, ids: 1}} {
			d := kind
			d.add(1, line)
			if len(d.lines)+len(d.bad) > 1 {
				t.Fatalf("%q counts more than once", line)
			}
			if (len(d.bad) > 0) != (d.malformed() != "") {
				t.Fatalf("%q: %v, but %q", line, d.bad, d.malformed())
			}
			if len(d.lines) == 0 {
				continue
			}
			again := kind
			again.add(1, strings.Join(d.lines[0], ":"))
			if len(again.lines) != 1 || !slices.Equal(again.lines[0], d.lines[0]) {
				t.Fatalf("%q reads as %q and then as %q", line, d.lines, again.lines)
			}
			name := d.lines[0][0]
			if got := d.find(name); got == nil || got[0] != name {
				t.Fatalf("%q: %q is not found", line, name)
			}
		}
	})
}
