package run

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"unsafe"

	"hk/internal/nofile"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// A Command is what a run gives to a plan that takes one: plan.Given.
type Command struct {
	// Paths are the files to execute, of which the first that exists is used; at least
	// one, and at most as many as the plan has ops for.
	Paths []string
	Args  []string
	Env   []string
	// PlanEnv adds to Env the variables that only the plan knows: plan.GivenImage.
	PlanEnv bool
	// Dir is the working directory, or "" for the one that the plan selects.
	Dir string
	// Files are descriptors that become 0, 1, 2 and so on, at most plan.MaxFiles.
	Files []int
}

// gives reports whether the run gives something or, for what it gives several of, at
// least n.
func (c *Command) gives(g plan.Given, n int) bool {
	switch {
	case c == nil:
		return false
	case g == plan.GivenFile:
		return n < len(c.Paths)
	case g == plan.GivenDir:
		return c.Dir != ""
	}
	return true
}

// size is the number of bytes that the command needs in an arena, with that many variables
// of the plan.
func (c *Command) size(vars int) int {
	if c == nil {
		return 0
	}
	n := roundUp(8*(len(c.Args)+1)) + roundUp(8*(len(c.Env)+vars+1)) + roundUp(len(c.Dir)+1)
	for _, list := range [][]string{c.Paths, c.Args, c.Env} {
		for _, s := range list {
			n += roundUp(len(s) + 1)
		}
	}
	return n
}

// planEnv are the variables of the plan that are added to the environment.
func (c *Command) planEnv(t *template) []offset {
	if !c.PlanEnv {
		return nil
	}
	return t.vars
}

// A place is where a run puts the address of what it gives into its copy of a template.
// which counts the files.
type place struct {
	what  plan.Given
	at    offset
	which int
}

// A condition is a record that is performed only if the run gives something.
type condition struct {
	what   plan.Given
	record int
	which  int
}

// condition records what record k depends on.
func (t *template) condition(k int) {
	op := t.op(k)
	if op.If == 0 {
		return
	}
	c := condition{what: op.If, record: k}
	if op.If == plan.GivenFile {
		c.which = t.files
		t.files++
	}
	t.conditions = append(t.conditions, c)
}

// give puts the command of a run into its arena, after the part copied from the
// template.
func (l *layout) give(c *Command) {
	for _, k := range l.conditions {
		r := l.record(k.record)
		switch {
		case k.what == plan.GivenDumpable, k.what == plan.GivenRaised:
			// giveDumpable, giveRaised
		case !c.gives(k.what, k.which):
			r.skip = 1
		case k.what == plan.GivenFile && k.which == len(c.Paths)-1:
			clear(r.tolerated[:]) // there is no other
		}
	}
	if c == nil {
		return
	}
	w := writer{l, l.used}
	args, env := w.vector(c.Args, nil), offset(0)
	for _, p := range l.given {
		var at offset
		switch {
		case !c.gives(p.what, p.which):
			continue
		case p.what == plan.GivenFile:
			at = w.text(c.Paths[p.which])
		case p.what == plan.GivenDir:
			at = w.text(c.Dir)
		case p.what == plan.GivenArgs:
			at = args
		case p.what == plan.GivenEnv:
			if env == 0 {
				env = w.vector(c.Env, c.planEnv(l.template))
			}
			at = env
		}
		*(*unsafe.Pointer)(l.at(p.at)) = l.at(at)
	}
}

// giveRaised looks whether the limit on open files is as package syscall has raised it,
// and gives that to the run.
func (l *layout) giveRaised() {
	var files unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &files) == nil {
		if _, ok := nofile.Raised(files.Cur, files.Max); ok {
			return
		}
	}
	for _, k := range l.conditions {
		if k.what == plan.GivenRaised {
			l.record(k.record).skip = 1
		}
	}
}

// undumpable counts the starts because of which the program is not dumpable.
var undumpable struct {
	sync.Mutex
	starts int
}

// giveDumpable looks whether the program is dumpable but for other starts, which any of
// its threads may change at any time, and gives that to the run. If the run changes it,
// endUndumpable is due.
func (c *Process) giveDumpable() error {
	l := c.layout
	undumpable.Lock()
	defer undumpable.Unlock()
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if undumpable.starts > 0 || err == nil && dumpable == 1 {
		if l.changesDumpable() {
			c.undumpable = true
			undumpable.starts++
		}
		return nil
	}
	for _, k := range l.conditions {
		if k.what != plan.GivenDumpable {
			continue
		}
		if k.record >= l.child {
			return &plan.StepError{Stage: l.op(k.record).Stage, Err: errNotDumpable}
		}
		l.record(k.record).skip = 1
	}
	return nil
}

// changesDumpable reports whether the caller's ops change whether the program is dumpable.
func (t *template) changesDumpable() bool {
	return slices.ContainsFunc(t.conditions, func(k condition) bool { return k.what == plan.GivenDumpable && k.record < t.child })
}

// endUndumpable makes the program dumpable again, unless another start still needs it not
// to be. It is due once the child has its own memory, or has been waited for.
func (c *Process) endUndumpable() {
	if !c.undumpable {
		return
	}
	c.undumpable = false
	undumpable.Lock()
	defer undumpable.Unlock()
	if undumpable.starts--; undumpable.starts == 0 {
		unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)
	}
}

var errNotDumpable = errors.New("this program is not dumpable (PR_SET_DUMPABLE of prctl(2)), and the child, with a copy of its memory, would have to be while its maps are written")

// A writer appends to the contents of an arena.
type writer struct {
	*layout
	end int
}

func (w *writer) take(n int) offset {
	o := offset(w.end)
	w.end += roundUp(n)
	return o
}

// text is a string that ends in a null byte.
func (w *writer) text(s string) offset {
	o := w.take(len(s) + 1)
	copy(w.arena[o:], s)
	return o
}

// vector is a null-terminated array of strings, of which more are already in the arena.
func (w *writer) vector(list []string, more []offset) offset {
	o := w.take(8 * (len(list) + len(more) + 1))
	for i, s := range list {
		*(*unsafe.Pointer)(w.at(o + offset(8*i))) = w.at(w.text(s))
	}
	for i, s := range more {
		*(*unsafe.Pointer)(w.at(o + offset(8*(len(list)+i)))) = w.at(s)
	}
	return o
}

// check rejects what the plan has no place for.
func (c *Command) check(t *template) error {
	switch {
	case c == nil && t.files > 0:
		panic("run: the plan takes a command")
	case c != nil && (len(c.Paths) == 0 || len(c.Paths) > t.files):
		return fmt.Errorf("%d paths for a program; the plan takes 1 to %d", len(c.Paths), t.files)
	case c != nil && len(c.Files) > plan.MaxFiles:
		return fmt.Errorf("%d descriptors; the kernel passes at most %d", len(c.Files), plan.MaxFiles)
	case c != nil && t.plan.Isolated() && len(c.Files) > t.plan.Sockets().MovedTo:
		return fmt.Errorf("%d descriptors; the plan takes at most %d", len(c.Files), t.plan.Sockets().MovedTo)
	}
	return nil
}

// text is the op of record k as performed by this run.
func (l *layout) text(k int) string {
	return l.op(k).With(func(g plan.Given) string {
		for _, c := range l.conditions {
			if c.record == k && g == plan.GivenFile && l.attr.Command.gives(g, c.which) {
				return l.attr.Command.Paths[c.which]
			}
		}
		if l.attr.Command != nil {
			return l.attr.Command.Dir
		}
		return ""
	})
}
