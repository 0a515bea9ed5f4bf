package cause

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
)

// TestTable checks that names are unique words, and that each has two sentences as the hints
// have them.
func TestTable(t *testing.T) {
	word := regexp.MustCompile(`^[a-z]+(-[a-z0-9]+)*$`)
	seen := map[Name]bool{}
	for _, c := range All() {
		if seen[c.Name] || !word.MatchString(string(c.Name)) {
			t.Errorf("%q: want a name of its own, of small letters", c.Name)
		}
		seen[c.Name] = true
		for _, s := range []string{c.What, c.Remedy} {
			if s == "" || strings.HasSuffix(s, ".") || strings.Contains(s, "\n") {
				t.Errorf("%s: %q; want one sentence without a full stop", c.Name, s)
			}
		}
		if got := c.Name.Of(); got != c {
			t.Errorf("%s.Of() = %v; want %v", c.Name, got, c)
		}
	}
	if got := Name("none-such").Of(); got != (Cause{}) {
		t.Errorf("Of(none-such) = %v; want none", got)
	}
}

func TestIn(t *testing.T) {
	inner := Because(Chroot, io.EOF)
	for _, c := range []struct {
		err  error
		want Name
	}{
		{nil, ""}, {io.EOF, ""}, {inner, Chroot}, {fmt.Errorf("x: %w", inner), Chroot},
		{Because("", inner), Chroot}, {Because(Unmapped, inner), Unmapped}, {errors.Join(io.EOF, inner), Chroot},
	} {
		if got := In(c.err); got != c.want {
			t.Errorf("In(%v) = %q; want %q", c.err, got, c.want)
		}
	}
	if !errors.Is(inner, io.EOF) || inner.Error() != "EOF" {
		t.Errorf("Because(%v) = %v; want the error itself", io.EOF, inner)
	}
}
