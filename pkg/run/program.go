// Package run performs plans: [Exec] with the calling thread, which becomes the
// payload, [Start] with a cloned child. A [Program] is a plan that is laid out once and
// started many times.
//
// Package plan describes what is to be done. This package makes no decisions: the only
// calls of a run that are not printed with the plan are those between the supervisor
// and its child.
package run

import (
	"bytes"
	"io"

	"hk/pkg/plan"
)

// An Attr has functions to which a run reports. The zero value reports nothing.
type Attr struct {
	// Warn is called for what steps find that is not a failure.
	Warn func(stage, text string)
	// Skipped is called for what steps find missing that was asked for only if
	// possible.
	Skipped func(stage, what string)
	// Note is called for messages of steps that do not weaken the chain; it may be nil.
	Note func(stage, text string)
	// Ready is called by a step once the child, whose PID in this PID namespace is given,
	// has done everything but execute the payload, which it does not do after an error; it
	// may be nil.
	Ready func(pid int, namespaces []plan.Namespace) error
	// Failed is called by another thread if Exec fails and a filter may deny the thread
	// that performs the plan the calls it needs to return: [plan.Plan.Mute]. It must
	// not return. If it is nil, Exec returns in any case.
	Failed func(error)
	// Interrupt can abandon a start; nil never does.
	Interrupt *Interrupt
	// Trace receives each op that Exec performs, with its result. Ops after a filter
	// that may deny writing are written in advance, as not seen. For a child there is
	// [Process.Trace].
	Trace io.Writer
	// Command is what the plan executes, if the plan takes a command: [plan.GivenFile].
	Command *Command
}

// A Program is a plan that is laid out: it can be performed many times, by many threads
// at once. The plan must not be changed meanwhile, and its steps may be called by
// several threads at once.
type Program struct {
	template *template
	bytes    []byte
	// extents are the extents of bytes that are not zero: the stacks of clones, which
	// are most of the bytes, are not touched before the clone.
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

// Plan is the plan that was laid out. It must not be changed.
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
		size = max(size, r.template.used+attr.Command.size(len(r.template.vars)))
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

// Start performs the caller's ops of a plan and clones. The child continues by itself
// up to its first step. Preconditions: as for [Exec]; the thread must live as long as
// the child, because a parent-death signal reports the end of the thread. Starting a
// plan twice at the same time needs a [Program].
func Start(p *plan.Plan, attr Attr) (*Process, error) {
	mustClone(p, true)
	l, err := lay(p, attr)
	if err != nil {
		return nil, err
	}
	return start(l)
}

// Exec performs a plan without a clone in the calling thread, which becomes the
// payload. It returns only if an op or a step fails; the process can then do nothing
// except report that and exit.
//
// Preconditions: the calling goroutine is locked to its thread. Namespaces,
// credentials, Landlock domains and filters that the ops set up apply only to that
// thread until the last op, execve(2), makes it the only one.
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
