package run

import (
	"slices"

	"hk/pkg/plan"
)

// callerOpened are the descriptors that the caller's ops have opened, and not closed.
func (l *layout) callerOpened() (fds []int) {
	for k, i := range l.index {
		it := l.items[i]
		if it.Actor != plan.Caller {
			break
		}
		if r := l.record(k); it.Op.Is(plan.Opens) && r.done != 0 && int(r.result) >= 0 && !l.callerCloses(it.Op.Result) && !slices.Contains(l.left, it.Op.Result) {
			fds = append(fds, int(r.result))
		}
	}
	return fds
}

// callerCloses reports whether one of the caller's ops closes a descriptor.
func (t *template) callerCloses(r *plan.Result) bool {
	for _, it := range t.items {
		if it.Actor == plan.Caller && it.Op.Closes == r {
			return true
		}
	}
	return false
}
