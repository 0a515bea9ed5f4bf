package host

import "testing"

func TestFirstIn(t *testing.T) {
	const table = "20 1 8:1 / / rw - ext4 /dev/sda rw\n21 20 0:5 / /proc rw - proc proc rw\n" +
		"22 21 0:6 / /proc/x rw - tmpfs t rw\n23 20 0:7 / /a\\040b/c rw - tmpfs t rw\n24 1 0:8 / / rw - tmpfs t rw\n"
	for _, c := range []struct{ dir, parent, want string }{
		{"/", "20", "/proc"}, {"/proc", "21", "/proc/x"}, {"/proc", "20", ""}, {"/pro", "20", ""}, {"/a b", "20", "/a b/c"},
		{"/a", "20", ""}, {"/a b/c", "20", ""}, {"/", "22", ""}, {"/", "1", ""},
	} {
		if got := firstIn(c.dir, c.parent, table); got != c.want {
			t.Errorf("firstIn(%q, %s) = %q; want %q", c.dir, c.parent, got, c.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{`a\040b`, `\`, `\1`, `\777`, `\134\`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { _ = firstIn("/", "1", "2 1 0:1 / /"+s+" rw"); _ = decode(s) })
}
