package host

import "testing"

func TestParseVersion(t *testing.T) {
	for _, c := range []struct {
		release string
		want    Version
		ok      bool
	}{
		{"6.12.9-amd64", Version{6, 12}, true},
		{"5.14.0-427.13.1.el9_4.x86_64", Version{5, 14}, true},
		{"5.15.167.4-microsoft-standard-WSL2", Version{5, 15}, true},
		{"7.0-rc3", Version{7, 0}, true},
		{"6.18+", Version{6, 18}, true},
		{"6.6rc1", Version{6, 6}, true},
		{"2.6.78", Version{2, 6}, true},
		{"4.19", Version{4, 19}, true},
		{"10.100.1", Version{10, 100}, true},
		{"6", Version{}, false},
		{"6.", Version{}, false},
		{"6.-1", Version{}, false},
		{".12", Version{}, false},
		{"-6.12", Version{}, false},
		{"6.1\x00", Version{}, false},
		{"v6.12", Version{}, false},
		{"gVisor", Version{}, false},
		{"6.99999999999999999999", Version{}, false},
		{"", Version{}, false},
	} {
		if got, ok := ParseVersion(c.release); got != c.want || ok != c.ok {
			t.Errorf("ParseVersion(%q) = %v, %v; want %v, %v", c.release, got, ok, c.want, c.ok)
		}
	}
}

func TestAtLeast(t *testing.T) {
	for _, c := range []struct {
		v, w Version
		want bool
	}{
		{Version{5, 14}, Version{5, 14}, true}, {Version{5, 13}, Version{5, 14}, false}, {Version{5, 15}, Version{5, 14}, true},
		{Version{6, 1}, Version{5, 14}, true}, {Version{4, 19}, Version{5, 4}, false},
	} {
		if got := c.v.AtLeast(c.w); got != c.want {
			t.Errorf("%v.AtLeast(%v) = %v; want %v", c.v, c.w, got, c.want)
		}
	}
}

func FuzzParseVersion(f *testing.F) {
	f.Add("6.12.9-amd64")
	f.Fuzz(func(t *testing.T, release string) {
		v, ok := ParseVersion(release)
		if again, k := ParseVersion(v.String()); ok && (!k || again != v) {
			t.Errorf("ParseVersion(%q) = %v, which reads as %v, %v", release, v, again, k)
		}
	})
}
