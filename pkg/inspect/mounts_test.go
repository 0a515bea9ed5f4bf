package inspect

import (
	"slices"
	"strings"
	"testing"
)

// TestHide compares what covers what with what a walk through the tree would find.
func TestHide(t *testing.T) {
	for _, c := range []struct {
		name, table string // ID, parent and mount point of each mount
		hides       string // mount point: what it hides
		hidden      string
	}{
		{"a tree", "1 0 / 2 1 /proc 3 1 /dev 4 3 /dev/pts", "", ""},
		{"over a mount", "1 0 / 2 1 /dev 3 2 /dev", "/dev: /dev", "2"},
		{"over a mount with others in it", "1 0 / 2 1 /dev 3 2 /dev/pts 4 2 /dev", "/dev: /dev /dev/pts", "2 3"},
		{"over the directory above", "1 0 / 2 1 /a/b 3 2 /a/b/c 4 1 /a", "/a: /a/b", "2 3"},
		{"a name that only starts the same", "1 0 / 2 1 /ab 3 1 /a", "", ""},
		{"over the root", "1 0 / 2 1 /usr 3 1 / 4 3 /usr", "/: / /usr", "1 2"},
		{"twice", "1 0 / 2 1 /a 3 2 /a 4 3 /a", "/a: /a; /a: /a", "2 3"},
		{"another order", "4 3 /dev/pts 3 1 /dev 1 0 /", "", ""},
		{"a loop", "1 2 /a 2 1 /b", "", ""},
	} {
		var list []Mount
		f := strings.Fields(c.table)
		for i := 0; i < len(f); i += 3 {
			list = append(list, Mount{id: uint64(f[i][0] - '0'), parent: uint64(f[i+1][0] - '0'), At: f[i+2]})
		}
		n := len(list)
		list = inTree(list)
		if len(list) != n {
			t.Errorf("%s: %d of %d mounts are left", c.name, len(list), n)
		}
		hide(list)
		var hides, hidden []string
		for _, m := range list {
			if len(m.Hides) > 0 {
				hides = append(hides, m.At+": "+strings.Join(m.Hides, " "))
			}
			if m.Hidden {
				hidden = append(hidden, string(rune('0'+m.id)))
			}
		}
		slices.Sort(hidden)
		if got := strings.Join(hides, "; "); got != c.hides {
			t.Errorf("%s: hides %q; want %q", c.name, got, c.hides)
		}
		if got := strings.Join(hidden, " "); got != c.hidden {
			t.Errorf("%s: hidden %q; want %q", c.name, got, c.hidden)
		}
	}
}

const mountinfoFile = `20 1 8:1 / / rw,relatime shared:1 - ext4 /dev/vda rw
21 20 0:5 / /dev rw,nosuid - devtmpfs devtmpfs rw
22 20 8:1 /home/a\040b /srv/x ro,nosuid,nodev - ext4 /dev/vda rw
23 20 8:1 /usr /usr rw,relatime - ext4 /dev/vda ro,errors=continue
`

func TestMountAt(t *testing.T) {
	list, err := parseMounts(mountinfoFile)
	if err != nil || len(list) != 4 || list[2].From != "/home/a b" || list[2].Device != "8:1" || !slices.Equal(list[0].Propagation, []string{"shared:1"}) {
		t.Fatalf("parseMounts = %+v, %v", list, err)
	}
	hide(list)
	for path, want := range map[string]string{"/": "/ rw", "/srv/x": "/srv/x ro", "/srv/x/y": "/srv/x ro", "/srv/xy": "/ rw", "/usr/bin": "/usr ro"} {
		m := mountAt(list, path)
		got := m.At + " rw"
		if m.has("ro") {
			got = m.At + " ro"
		}
		if got != want || m.has("rw") == m.has("ro") {
			t.Errorf("%s is in %s; want %s", path, got, want)
		}
	}
	if _, err := parseMounts("20 1 8:1 / /\n"); err == nil {
		t.Error("half a line is no error")
	}
}

func FuzzMounts(f *testing.F) {
	f.Add(mountinfoFile)
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseMounts(text)
		if err != nil || len(list) > 300 {
			return
		}
		sorted := inTree(list)
		if len(sorted) != len(list) {
			t.Fatalf("%d of %d mounts", len(sorted), len(list))
		}
		hide(sorted)
		mountAt(sorted, "/usr")
		mountRows(sorted)
	})
}
