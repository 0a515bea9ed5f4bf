package execdeps

import (
	"slices"
	"testing"
)

// TestExpand has the variables of a search path, of which $LIB has several values.
func TestExpand(t *testing.T) {
	amd64 := machineOf([4]byte{elfClass64, elfLittle, 62, 0})
	for _, c := range []struct {
		path, origin string
		want         []string
	}{
		{"/lib", "/o", []string{"/lib"}}, {"", "/o", []string{""}},
		{"$ORIGIN/../lib", "/o", []string{"/o/../lib"}}, {"${ORIGIN}x", "/o", []string{"/ox"}},
		{"/a/$LIB/$PLATFORM", "/o", []string{"/a/lib/x86_64-linux-gnu/x86_64", "/a/lib64/x86_64", "/a/lib/x86_64"}},
		{"/$OTHER/${LIBX}/$", "/o", []string{"/$OTHER/${LIBX}/$"}},
		{"$ORIGINS/$LIB_/$LIB2", "/o", []string{"$ORIGINS/$LIB_/$LIB2"}}, {"${ORIGIN}S/$PLATFORM-x", "/o", []string{"/oS/x86_64-x"}}, {"$ORIGIN", "/$LIB", []string{"/$LIB"}},
	} {
		if got := amd64.expand(c.path, c.origin); !slices.Equal(got, c.want) {
			t.Errorf("expand(%q, %q) = %q; want %q", c.path, c.origin, got, c.want)
		}
	}
}

// TestMusl has names of musl's loader, and where it finds its directories.
func TestMusl(t *testing.T) {
	for _, c := range []struct {
		interp string
		is     bool
		path   string
	}{
		{"/lib/ld-musl-x86_64.so.1", true, "/etc/ld-musl-x86_64.path"}, {"/opt/m/lib/ld-musl-aarch64.so.1", true, "/opt/m/etc/ld-musl-aarch64.path"},
		{"/lib64/ld-linux-x86-64.so.2", false, ""}, {"/lib/ld-musl", false, ""},
	} {
		if got := isMusl(c.interp); got != c.is {
			t.Errorf("isMusl(%q) = %v; want %v", c.interp, got, c.is)
		}
		if got := muslPath(c.interp); c.is && got != c.path {
			t.Errorf("muslPath(%q) = %q; want %q", c.interp, got, c.path)
		}
	}
}
