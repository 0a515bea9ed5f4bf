package filter

import "testing"

func TestWide(t *testing.T) {
	for _, c := range []struct {
		arch *Arch
		name string
		arg  int
		want bool
	}{
		{X86_64, "openat", 0, false}, {X86_64, "openat", 1, true}, {X86_64, "openat", 2, false}, {X86_64, "openat", 4, false},
		{X86, "openat", 1, true}, {X86_64, "execve", 2, true}, {AArch64, "execve", 1, true},
		{X86_64, "nosuchcall", 0, true},
	} {
		if got := c.arch.Wide(c.name, c.arg); got != c.want {
			t.Errorf("%s.Wide(%s, %d) = %v; want %v", c.arch.Name, c.name, c.arg, got, c.want)
		}
	}
}
