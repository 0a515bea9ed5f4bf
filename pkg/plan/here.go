package plan

import (
	"io"
	"os"
)

// Here performs a plan that has no clone in the calling thread, which becomes
// the payload. It returns only when an op or a step fails; the process is then
// in no state to do anything but report that and exit.
//
// Preconditions: the calling goroutine is locked to its thread. Namespaces,
// credentials, Landlock domains and filters that the ops make are the thread's
// until the last op, execve(2), makes it the only one.
//
// If trace is not nil, each op and its result is written to it. What follows a
// filter that may forbid writing is written before, as what nobody sees. If p.Mute
// is set, Here does not return: p.Failed is called instead.
func (p *Plan) Here(trace io.Writer) error {
	if p.Cloned() {
		panic("plan: Here is for plans without a clone")
	}
	l, err := p.lay()
	if err != nil {
		return err
	}
	defer l.free()
	at := p.atCaller(l)
	var t *teller
	if p.Failed != nil && p.Mute {
		t = newTeller(p, l)
	}
	for k := 0; ; {
		for _, step := range p.stepsAfter(l, k) {
			if err := at.do(step); err != nil {
				t.tell(err)
				return err
			}
			if trace != nil {
				writeStep(trace, step)
			}
		}
		if k == len(l.index) {
			return nil
		}
		if trace != nil && p.Mute && p.items[l.index[k]].op.filter {
			p.foretell(l, k, trace)
			trace = nil
		}
		// Up to the next step; one by one if each is to be told of.
		end, done := k+1, false
		if trace != nil {
			done = p.traced(l, k, trace)
		} else {
			end = p.piece(l, k, len(l.index))
			done = perform(l.head, uintptr(k), uintptr(end))
		}
		if !done {
			t.tell(nil)
			return p.failure(l, int(l.head.failed)-1)
		}
		k = end
	}
}

// traced performs record k and writes it with its result. That of a program which
// is executed nobody can write: it is written before, and if it fails that is too.
func (p *Plan) traced(l *layout, k int, trace io.Writer) (done bool) {
	it, r := p.items[l.index[k]], l.record(k)
	if it.op.exec {
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

// atCaller is the place of steps that are done before a clone, or without one.
func (p *Plan) atCaller(l *layout) *At {
	return &At{PID: os.Getpid(), plan: p, layout: l, sock: -1, warn: p.Warn}
}

// stepsAfter returns the outside steps right before record k.
func (p *Plan) stepsAfter(l *layout, k int) []*Outside {
	end := len(p.items)
	if k < len(l.index) {
		end = l.index[k]
	}
	start := 0
	if k > 0 {
		start = l.index[k-1] + 1
	}
	var steps []*Outside
	for _, it := range p.items[start:end] {
		steps = append(steps, it.step)
	}
	return steps
}

// foretell writes what is left of the plan, before it is done, as it is explained:
// which of several programs is executed is not known.
func (p *Plan) foretell(l *layout, k int, trace io.Writer) {
	for _, it := range p.items[l.index[k]:] {
		if it.step != nil {
			writeStep(trace, it.step)
			continue
		}
		writeUnseen(trace, it)
		if it.op.exec && it.op.except == nil {
			return
		}
	}
}
