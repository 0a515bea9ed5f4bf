package setuser

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestDatabase has the lines that are looked for among others, and twice.
func TestDatabase(t *testing.T) {
	root := newRoot(t, "etc/group", []byte("a:x:1:u\n1:x:2:v,u\nb:x:3:uu,u,\na:x:4:u\nc:x:1:\nd:x:5:u:\nbad\nu:x:6:\n"))
	d, err := readDatabase(root, database{path: "etc/group", fields: 4, ids: 1, wants: []string{"a", "1", "b", "c"}, member: "u"})
	if err != nil {
		t.Fatal(err)
	}
	for w, want := range map[string]string{"a": "1", "1": "2", "b": "3", "c": "1"} {
		if f := d.find(w); f == nil || f[2] != want {
			t.Errorf("%s: %q; want group %s", w, f, want)
		}
	}
	if got, want := d.memberships(3), []uint32{3, 1, 2, 4}; !slices.Equal(got, want) {
		t.Errorf("groups of u: %v; want %v", got, want)
	}
	if want := []string{"6", "7"}; !slices.Equal(d.bad, want) {
		t.Errorf("malformed: %v; want %v", d.bad, want)
	}
}

// TestLargeDatabase has a file that is to take all memory.
func TestLargeDatabase(t *testing.T) {
	for _, line := range []string{"root:x:0:0:::\n", "a:x:0:0:::\n", ":\n", "\n", "g:x:1:root\n", "root:x:0:" + strings.Repeat("root,", 1000) + "\n"} {
		root := newRoot(t, "etc/group", bytes.Repeat([]byte(line), maxDatabase/len(line)))
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		d, err := readDatabase(root, database{path: "etc/group", fields: 4, ids: 1, wants: []string{"root", "0"}, member: "root"})
		runtime.ReadMemStats(&after)
		// Each line once, as garbage; and the one buffer.
		if n := after.TotalAlloc - before.TotalAlloc; n > 3*maxDatabase || len(d.lines) > 2 || len(d.gids) > maxGroups+1 {
			t.Errorf("readDatabase() of %.20q = %v, allocates %d bytes, keeps %d lines and %d groups; want %d, 2 and %d at most", line, err, n, len(d.lines), len(d.gids), 3*maxDatabase, maxGroups+1)
		}
	}
	root := newRoot(t, "etc/group", bytes.Repeat([]byte("\n"), maxDatabase+1))
	if _, err := readDatabase(root, database{path: "etc/group", fields: 4, ids: 1}); err == nil ||
		err.Error() != fmt.Sprintf("/etc/group of the current root: larger than %d bytes", maxDatabase) {
		t.Errorf("readDatabase() of %d bytes = %v; want an error that it is too large", maxDatabase+1, err)
	}
}

func newRoot(t *testing.T, name string, content []byte) int {
	dir := t.TempDir()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// FuzzDatabase checks that what is read of a line is what stands there, and that
// a line that is left out is counted.
func FuzzDatabase(f *testing.F) {
	for _, line := range []string{"root:x:0:0::/root:/bin/sh", "g:x:5:a,b", "", "#", "+", "x:y:z", "a:x:00:1:::", "a::4294967294:0::::"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		for _, kind := range []database{{path: "etc/passwd", fields: 7, ids: 2}, {path: "etc/group", fields: 4, ids: 1}} {
			kind.wants = strings.Split(line, ":")[:1]
			d := kind
			d.add(1, line)
			if len(d.lines)+len(d.bad) > 1 {
				t.Fatalf("add(%q) keeps %q and %q; want one line", line, d.lines, d.bad)
			}
			if (len(d.bad) > 0) != (d.malformed() != "") {
				t.Fatalf("malformed() = %q after add(%q); want something with %q only", d.malformed(), line, d.bad)
			}
			if len(d.lines) == 0 {
				continue
			}
			again := kind
			again.add(1, strings.Join(d.lines[0], ":"))
			if len(again.lines) != 1 || !slices.Equal(again.lines[0], d.lines[0]) {
				t.Fatalf("add(%q) = %q, and of that %q; want the same", line, d.lines, again.lines)
			}
			name := d.lines[0][0]
			if got := d.find(name); got == nil || got[0] != name {
				t.Fatalf("find(%q) = %q after add(%q); want its line", name, got, line)
			}
		}
	})
}
