package filter

import (
	"slices"
	"strings"
	"testing"
)

// alone are 32-bit calls that do what no 64-bit call does, or what one does that is not
// its twin: they do nothing that the rules for others should deny.
var alone = strings.Fields(`bdflush break breakpoint cacheflush ftime get_tls gtty idle ipc lock mpx pciconfig_iobase
	pciconfig_read pciconfig_write prof profil set_tls sgetmask sigreturn socketcall stty ulimit usr26 usr32 vm86
	vm86old`)

// TestTwins checks that every name that only architectures of 32 bits have is the
// twin of another one.
func TestTwins(t *testing.T) {
	of := map[string]string{}
	var others []twin
	for _, m := range otherArguments {
		others = append(others, twin{m.name, m.twin})
	}
	for _, list := range [][]twin{twins[:], sameArguments[:], others} {
		for i, w := range list {
			if i > 0 && list[i-1].name > w.name {
				t.Errorf("%s is not in order", w.name)
			}
			wide, narrow := false, false
			for _, a := range arches {
				_, name := a.Number(w.name)
				_, other := a.Number(w.twin)
				wide = wide || name
				narrow = narrow || other
				if other && a.bits == 64 {
					t.Errorf("%s: %s is not a name of 32 bits only", a.Name, w.twin)
				}
			}
			if !wide || !narrow {
				t.Errorf("no architecture has %s, or %s", w.name, w.twin)
			}
			of[w.twin] = w.name
		}
	}
	for _, a := range []*Arch{X86, ARM} {
		for _, c := range a.table {
			_, amd64 := X86_64.Number(c.name)
			_, arm64 := AArch64.Number(c.name)
			if twin := of[c.name] != ""; !amd64 && !arm64 && twin == slices.Contains(alone, c.name) {
				t.Errorf("%s: %s has a twin: %v; want %v", a.Name, c.name, twin, !twin)
			}
		}
	}
	for _, w := range sameArguments {
		for n := range 6 {
			a, _ := X86_64.takes(w.name)
			_, has := X86_64.argument(w.name, n)
			_, also := X86.argument(w.twin, n)
			if has != also {
				t.Errorf("%s has argument %d: %v; want %v, as %s, %q", w.twin, n, also, has, w.name, a)
			}
		}
	}
}

// TestMovedTwins checks that the letters of a twin with other arguments are for all
// arguments of the first name, and name such as the twin has.
func TestMovedTwins(t *testing.T) {
	for _, m := range otherArguments {
		for n := range 6 {
			if _, has := X86_64.argument(m.name, n); has != (n < len(m.args)) {
				t.Errorf("%s has argument %d: %v; want %v, as the letters %q say", m.name, n, has, !has, m.args)
			}
		}
		for _, letter := range []byte(m.args) {
			if letter < 'a' {
				continue
			}
			if !slices.ContainsFunc([]*Arch{X86, ARM}, func(a *Arch) bool { _, has := a.argument(m.twin, int(letter-'a')); return has }) {
				t.Errorf("%s has no argument %c", m.twin, letter)
			}
		}
	}
}
