package run

import (
	"os"

	"hk/pkg/plan"
)

// exec is [Exec] of a run.
func (l *layout) exec() error {
	at := &stepContext{pid: os.Getpid(), layout: l, sock: -1}
	trace := l.attr.Trace
	var t *teller
	if l.attr.Failed != nil && l.plan.Mute {
		t = newTeller(l)
	}
	for k := 0; ; {
		for _, step := range l.stepsAt(k) {
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
		if trace != nil && l.plan.Mute && l.op(k).Is(plan.Filters) {
			l.foretell(k, trace)
			trace = nil
		}
		// Up to the next step, or one by one if each is to be reported.
		end, done := k+1, false
		if trace != nil {
			done = l.traced(k, trace)
		} else {
			end = l.piece(k, len(l.index))
			done = perform(l.head, uintptr(k), uintptr(end))
		}
		if !done {
			t.tell(nil)
			return l.failure(int(l.head.failed) - 1)
		}
		k = end
	}
}
