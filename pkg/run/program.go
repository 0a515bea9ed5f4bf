// Package run performs plans: [Exec] by the calling thread, which becomes the
// payload, [Start] by a cloned child. A [Program] is a plan that is laid out once and
// started many times.
//
// What a plan does is in package plan. This package makes no decisions: the only
// calls of a run that no plan prints are those between the supervisor and its child.
package run

import (
	"bytes"
	"io"

	"hk/pkg/plan"
)

// An Attr is what a run tells, and to whom. The zero value tells nothing.
type Attr struct {
	// Warn gets what steps find that is not a failure.
	Warn func(stage, text string)
	// Skipped gets what steps find missing of what was asked for only if possible.
	Skipped func(stage, what string)
	// Failed is called by another thread if Exec fails where a filter may deny the
	// thread that performs the plan what it takes to return: [plan.Plan.Mute]. It
	// must not return. Without it Exec returns in any case.
	Failed func(error)
	// Interrupt can have a start given up; nil leaves it alone.
	Interrupt *Interrupt
	// Trace gets each op that Exec performs, with its result. What follows a filter
	// that may forbid writing is written before, as what is not seen. Of a child
	// [Process.Trace] tells.
	Trace io.Writer
	// Command is what the plan is to execute, if it takes that: [plan.GivenFile].
	Command *Command
}

// A Program is a plan that is laid out: it can be performed many times, by many
// threads at once. The plan must not be changed meanwhile, and its steps are called by
// all of them.
type Program struct {
	template *template
	bytes    []byte
	// extents are those of bytes that hold something: the stacks of clones, which are
	// most of them, nobody touches before the clone.
	extents [][2]int
}

// Lay lays a plan out.
func Lay(p *plan.Plan) *Program {
	t := newTemplate(p)
	r := &Program{template: t, bytes: make([]byte, t.size)}
	t.fillIn(r.bytes)
	r.bytes = r.bytes[:t.used]
	r.extents = extents(r.bytes)
	return r
}

// extents lists the parts of a memory, in pages, that are not zero.
func extents(b []byte) (list [][2]int) {
	var zero [pageSize]byte
	for from := 0; from < len(b); from += pageSize {
		to := min(from+pageSize, len(b))
		switch n := len(list); {
		case bytes.Equal(b[from:to], zero[:to-from]):
		case n > 0 && list[n-1][1] == from:
			list[n-1][1] = to
		default:
			list = append(list, [2]int{from, to})
		}
	}
	return list
}

// Plan is the plan that was laid out. It is not to be changed.
func (r *Program) Plan() *plan.Plan { return r.template.plan }

// Start is [Start] of the plan.
func (r *Program) Start(attr Attr) (*Process, error) {
	mustClone(r.template.plan, true)
	l, err := r.lay(attr)
	if err != nil {
		return nil, err
	}
	return start(l)
}

// Exec is [Exec] of the plan.
func (r *Program) Exec(attr Attr) error {
	mustClone(r.template.plan, false)
	l, err := r.lay(attr)
	if err != nil {
		return err
	}
	defer l.free()
	return l.exec()
}

// lay makes a run.
func (r *Program) lay(attr Attr) (*layout, error) {
	size := r.template.size
	if attr.Command != nil {
		size = max(size, r.template.used+attr.Command.size())
	}
	arena, err := newArena(r.template.plan, (size+pageSize-1)&^(pageSize-1))
	if err != nil {
		return nil, err
	}
	for _, e := range r.extents {
		copy(arena[e[0]:e[1]], r.bytes[e[0]:e[1]])
	}
	return r.template.start(arena, attr), nil
}

// Start performs the caller's ops of a plan and clones. The child goes on by itself
// up to its first step. Preconditions: as for [Exec]; the thread must live as long as
// the child, since it is the thread whose end a parent-death signal reports. Two
// starts of one plan at a time take a [Program].
func Start(p *plan.Plan, attr Attr) (*Process, error) {
	mustClone(p, true)
	l, err := lay(p, attr)
	if err != nil {
		return nil, err
	}
	return start(l)
}

// Exec performs a plan that has no clone in the calling thread, which becomes
// the payload. It returns only when an op or a step fails; the process is then
// in no state to do anything but report that and exit.
//
// Preconditions: the calling goroutine is locked to its thread. Namespaces,
// credentials, Landlock domains and filters that the ops make are the thread's
// until the last op, execve(2), makes it the only one.
func Exec(p *plan.Plan, attr Attr) error {
	mustClone(p, false)
	l, err := lay(p, attr)
	if err != nil {
		return err
	}
	defer l.free()
	return l.exec()
}

func mustClone(p *plan.Plan, clones bool) {
	if p.Cloned() != clones {
		panic("run: Start is for plans with a clone, Exec for those without")
	}
}
