package run

import (
	"slices"
	"unsafe"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// An observer is a process that the child creates beside it, with the same memory and a
// stack of its own: [plan.Plan.Observe]. The child sleeps in the kernel until the observer
// has executed a program or has ended, so they never run at the same time.
const (
	// observes is [record.skip] of the op that creates an observer; its want is how many of
	// the records that follow are the observer's.
	observes = 2
	// succeeds is [record.exact] of wait4(2): its want is where the status is, which must be
	// 0. No PID is an address.
	succeeds = 2
	// beside is the stage of an observer in [childMain], plus the index of the record that
	// has created it.
	beside = 1 << 32
)

// writeObserver completes record k if it is about an observer.
func (t *template) writeObserver(k int, at offset) {
	op, r := t.op(k), (*record)(t.at(at))
	if op.Succeeds {
		r.exact = succeeds
		t.point(at+offset(unsafe.Offsetof(r.want)), t.places[op.Args[1].Buffer().Number()])
	}
	if !op.Is(plan.Observes) {
		return
	}
	r.skip, t.observes = observes, true
	for n := k + 1; n < len(t.index) && t.items[t.index[n]].Actor == plan.Observer; n++ {
		r.want++
	}
}

// cloneRegistersPC is the address of cloneRegisters, and so what a function value points to.
var cloneRegistersPC uintptr

// observe creates an observer, as record i says, and returns the index of its last record.
//
//go:nosplit
//go:norace
//go:nocheckptr
func observe(h *header, i uintptr, r *record) uintptr {
	at := unsafe.Pointer(&cloneRegistersPC)
	clone := *(*func(args, size uintptr, h *header, stage uintptr) uintptr)(unsafe.Pointer(&at))
	pid := clone(r.args[0], r.args[1], h, beside+i)
	if r.result = pid; int(pid) < 0 {
		h.failed = i + 1
	} else if h.failed == 0 {
		// The last one has executed the program, or its process was killed.
		(*record)(unsafe.Add(h.records, (i+r.want)*unsafe.Sizeof(record{}))).done = 1
		keep(r, pid)
	}
	return i + r.want
}

// performBeside performs the ops of the observer that record i has created.
//
//go:nosplit
//go:norace
//go:nocheckptr
func performBeside(h *header, i uintptr) {
	r := (*record)(unsafe.Add(h.records, i*unsafe.Sizeof(record{})))
	perform(h, i+1, i+1+r.want)
	end()
}

// statusAt is a wait status at an address.
//
//go:nosplit
//go:norace
//go:nocheckptr
func statusAt(at uintptr) uint32 { return *(*uint32)(unsafe.Add(unsafe.Pointer(nil), at)) }

// observed is the status that record k, which has waited for an observer, has stored.
func (l *layout) observed(k int) unix.WaitStatus {
	return unix.WaitStatus(statusAt(uintptr(unsafe.Pointer(l.at(l.places[l.op(k).Args[1].Buffer().Number()])))))
}

// leavePrograms closes what the caller has opened for observers to execute: the child has it
// too, until it executes the payload, and it may be megabytes of memory.
func (l *layout) leavePrograms() {
	for _, it := range l.items {
		if it.Actor != plan.Observer || it.Op.Number != unix.SYS_EXECVEAT {
			continue
		}
		program := it.Op.Args[0].Result()
		for k := 0; k < len(l.index) && l.items[l.index[k]].Actor == plan.Caller; k++ {
			if l.op(k).Result == program && !slices.Contains(l.left, program) {
				l.left = append(l.left, program)
				unix.Close(int(l.record(k).result))
			}
		}
	}
}

// observing reports whether the child waits for an observer.
func (c *Process) observing() bool {
	created, waited := 0, 0
	for k := c.layout.child; k < len(c.layout.index); k++ {
		switch op := c.layout.op(k); {
		case c.layout.record(k).done == 0:
		case op.Is(plan.Observes):
			created++
		case op.Succeeds:
			waited++
		}
	}
	return created > waited
}

// watched is what can abandon the start, and stops this process meanwhile if the terminal
// stops an observer.
func (c *Process) watched() *Interrupt {
	i := c.layout.attr.Interrupt
	if i == nil || i.Stop == nil || !c.layout.observes {
		return i
	}
	w := *i
	w.Err = func() error {
		if c.observing() {
			i.Stop()
		}
		return i.Err()
	}
	return &w
}
