package chain

import (
	"fmt"

	"hk/pkg/host"
	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// openNext opens the program that the plan executes for the rest of the chain, if a
// stage makes it unreachable.
func (t *translator) openNext(links []Link) error {
	_, t.hidden = first(links, func(n stage.Needs) bool { return n.Hides })
	path := t.path
	if t.exposed {
		path = self // the file itself will not be executed
	}
	switch {
	case !t.Next.Stage:
		return nil
	case t.Host.SelfFD >= 0:
		t.Next.FD = t.Host.SelfFD
	case t.exposed || t.hidden:
		// It is not closed by execve(2), so that the next stage also has its own
		// program open, can check its seals, and can copy it.
		t.Next.Program = t.Open("next", plan.Openat(plan.AtCwd(), path, unix.O_RDONLY, 0).
			Hint(unix.EACCES, "the user who executes the next stage must be able to read its program"))
	}
	if _, confined := first(links, func(n stage.Needs) bool { return n.Confines }); confined {
		return t.copyNext(path)
	}
	return nil
}

// blocked is a number of ops during which no signal of the Go runtime interrupts this
// process.
func (t *translator) blocked(add func()) {
	if !t.Child.Planned || t.Plan.Cloned() {
		add() // it has no handlers, or they are blocked
		return
	}
	t.Add(plan.Sigmask(^uint64(0)))
	add()
	t.Add(plan.Sigmask(t.Host.Sigmask))
}

// copyNext makes the next stage a sealed copy in memory, unless it already is one. A
// Landlock domain does not restrict files in memory. A file would need a rule, which
// would also apply to the payload.
func (t *translator) copyNext(path string) error {
	var p host.Program
	var err error
	switch {
	case t.Next.FD >= 0:
		p = t.Host.Self()
	case t.exposed:
		p, err = t.Host.Program()
	default:
		p, err = t.Host.ProgramAt(path)
	}
	if err != nil {
		return &UsageError{t.Name, err}
	}
	if p.Sealed {
		return nil
	}
	from := plan.Int(int64(t.Next.FD))
	if t.Next.Program != nil {
		from = plan.Ref(t.Next.Program)
	}
	if t.Child.Planned {
		t.Add(plan.Sigmask(^uint64(0))) // a signal of the Go runtime would interrupt it
	}
	sealed := t.sealedCopy(from, p.Size)
	if t.Child.Planned {
		t.Add(plan.Sigmask(t.Host.Sigmask))
	}
	if t.Next.FD >= 0 {
		t.Add(plan.Dup3(sealed, t.Next.FD, false), plan.Close(sealed))
		return nil
	}
	t.Add(plan.KeepOpen(plan.Ref(sealed)), plan.Close(t.Next.Program))
	t.Next.Program = sealed
	return nil
}

// sealedCopy is a file in memory that is closed when a program is executed.
func (t *translator) sealedCopy(from plan.Arg, size int64) *plan.Result {
	sealed := t.Open("copy", plan.MemfdCreate(t.Name, t.Host.Has(host.MemfdExec)))
	t.Add(plan.Sendfile(sealed, from, size).
		Hint(unix.EFBIG, fmt.Sprintf("--fsize of an earlier stage also limits files in memory: it must come after %s", t.Name)).
		Hint(unix.EBADF, "the program was executed by a descriptor that cannot be read"),
		plan.Seal(sealed))
	return sealed
}
