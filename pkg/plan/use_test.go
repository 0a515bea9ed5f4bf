package plan

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// TestAddAfterUse checks where descriptors are closed.
func TestAddAfterUse(t *testing.T) {
	p := New()
	a := p.Open("s", "a", Fsopen("tmpfs"))
	b := p.Open("s", "b", Fsopen("tmpfs"))
	unused := p.Open("s", "unused", Fsopen("tmpfs"))
	p.Add("s", Mkdirat(Ref(a), "x", 0o700))
	f := p.Open("s", "f", Openat(Ref(a), "x", unix.O_RDONLY, 0))
	p.Add("s", Mkdirat(Ref(b), "x", 0o700), Fchmod(f, 0o755), Close(f), Umask(Octal(0)))
	p.AddStep(Step{Stage: "s", Takes: []*Result{b}})
	p.Add("s", Umask(Octal(0)))
	ops := map[*Result][]*Op{}
	for _, r := range []*Result{a, b, unused} {
		ops[r] = []*Op{Fchmod(r, 0o500), Close(r)}
	}
	p.AddAfterUse("s", ops)
	var got []string
	for _, it := range p.Items() {
		text := "step"
		if it.Step == nil {
			text = it.Op.Name
			for _, arg := range it.Op.Args[:1] {
				text += " " + arg.String()
			}
		}
		got = append(got, text)
	}
	want := []string{`fsopen "tmpfs"`, `fsopen "tmpfs"`, `fsopen "tmpfs"`, "fchmod $unused", "close $unused", "mkdirat $a", "openat $a", "mkdirat $b",
		"fchmod $f", "close $f", "fchmod $a", "close $a", "umask 000", "step", "fchmod $b", "close $b", "umask 000"}
	if !slices.Equal(got, want) {
		t.Errorf("the items are %q; want %q", got, want)
	}
}
