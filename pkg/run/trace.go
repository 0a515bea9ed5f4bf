package run

import (
	"fmt"
	"io"
	"strings"

	"hk/internal/vis"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// Trace writes each op of the child that was performed, and its result.
func (c *Process) Trace(w io.Writer) {
	var b strings.Builder
	k, failed := 0, c.layout.head.failed != 0
	for _, it := range c.layout.items {
		if it.Step != nil {
			writeStep(&b, it.Step)
			continue
		}
		r := c.layout.record(k)
		k++
		switch {
		case r.done != 0:
			writeOp(&b, it, r)
		case it.Op.Is(plan.Executes) && !failed:
			// It has replaced the child, which could have reported the result.
			writeOp(&b, it, nil)
			failed = true
		}
	}
	io.WriteString(w, b.String())
}

// traced performs record k and writes it with its result. An op that executes a program
// is written before, because it does not return; if it fails the result is written too.
func (l *layout) traced(k int, trace io.Writer) (done bool) {
	it, r := l.items[l.index[k]], l.record(k)
	if it.Op.Is(plan.Executes) {
		writeOp(trace, it, nil)
		done = perform(l.head, uintptr(k), uintptr(k+1))
		writeResult(trace, it, r)
		return done
	}
	if done = perform(l.head, uintptr(k), uintptr(k+1)); done {
		writeOp(trace, it, r)
	}
	return done
}

// foretell writes the rest of the plan before it is performed, in the form of
// --explain: which of several programs will be executed is not known.
func (l *layout) foretell(k int, trace io.Writer) {
	for _, it := range l.items[l.index[k]:] {
		if it.Step != nil {
			writeStep(trace, it.Step)
			continue
		}
		writeUnseen(trace, it)
		if it.Op.Is(plan.Executes) && it.Op.Tolerated == nil {
			return
		}
	}
}

// writeOp writes an op with its result, as strace does. r is nil if the result is not
// available.
func writeOp(w io.Writer, it plan.Item, r *record) {
	result := ""
	if r != nil {
		result = r.text(it.Op)
	}
	io.WriteString(w, vis.Text(fmt.Sprintf("%s: %s: %s%s", it.Op.Stage, it.Actor, it.Op, result))+"\n")
}

// writeResult writes the result of an op that was written before it was performed.
func writeResult(w io.Writer, it plan.Item, r *record) {
	io.WriteString(w, vis.Text(fmt.Sprintf("%s: %s: %s(...)%s", it.Op.Stage, it.Actor, it.Op.Name, r.text(it.Op)))+"\n")
}

// writeUnseen writes an op about which nothing can be reported once it is performed.
func writeUnseen(w io.Writer, it plan.Item) {
	io.WriteString(w, vis.Text(fmt.Sprintf("%s: %s: not seen: %s", it.Op.Stage, it.Actor, it.Text()))+"\n")
}

func writeStep(w io.Writer, s *plan.Step) {
	io.WriteString(w, vis.Text(fmt.Sprintf("%s: %s: %s", s.Stage, plan.Supervisor, s.Text))+"\n")
}

// text is the result of an op.
func (r *record) text(o *plan.Op) string {
	n := int64(r.result)
	text := fmt.Sprintf(" = %d", n)
	if n < 0 && n >= -4095 {
		e := unix.Errno(-n)
		text = fmt.Sprintf(" = -1 %s (%v)", unix.ErrnoName(e), e)
	}
	if o.Result != nil {
		text += " " + o.Result.String()
	}
	return text
}
