package access

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// An operation is a call that changes a table of descriptors.
type operation struct {
	// closes is set for the numbers from first to last, replaces if others are there then,
	// and fills if what was open before gets a number that is free.
	first, last             uint32
	closes, replaces, fills bool
}

// A window has the operations on a table of descriptors from the moment at which a call was
// entered until it is looked at: another thread may have put another file in the place of the
// one that was opened. Every operation is seen before it is made.
type window struct {
	tid  int
	list []operation
}

const maxOperations = 64

// changed reports whether a descriptor may be another one than the call has returned, or was
// given.
func (w *window) changed(fd int) bool {
	var closed, filled bool
	for _, o := range w.list {
		here := uint32(fd) >= o.first && uint32(fd) <= o.last
		if o.replaces && here {
			return true
		}
		closed = closed || o.closes && here
		filled = filled || o.fills
	}
	return closed && filled || len(w.list) >= maxOperations
}

// closed reports whether a descriptor may have been closed, and opened again by another
// thread.
func (w *window) closed(fd int) bool {
	for _, o := range w.list {
		if o.closes && uint32(fd) >= o.first && uint32(fd) <= o.last {
			return true
		}
	}
	return false
}

// operationOf is what a call does to a table of descriptors.
func operationOf(c call) (o operation, ok bool) {
	number := uint32(c.Args[0])
	switch c.name {
	case "close":
		return operation{first: number, last: number, closes: true}, true
	case "close_range":
		return operation{first: number, last: uint32(c.Args[1]), closes: true}, true
	case "dup2", "dup3":
		number = uint32(c.Args[1])
		return operation{first: number, last: number, replaces: true}, true
	case "dup", "recvmsg", "recvmmsg", "recvmmsg_time64", "pidfd_getfd", "socketcall":
		return operation{fills: true, first: 1}, true
	case "fcntl", "fcntl64":
		if cmd := uint32(c.Args[1]); cmd == unix.F_DUPFD || cmd == unix.F_DUPFD_CLOEXEC {
			return operation{fills: true, first: 1}, true
		}
	}
	return o, false
}

// begins notes an operation that a thread is about to make.
func (r *Recorder) begins(c call) {
	o, ok := operationOf(c)
	if !ok {
		return
	}
	if r.making == nil {
		r.making = map[int]operation{}
	}
	r.making[c.tid] = o
	for tid, e := range r.pending {
		if e.window != nil && tid != c.tid && r.shares(tid, c.tid) && len(e.window.list) < maxOperations {
			e.window.list = append(e.window.list, o)
		}
	}
}

// open begins a window.
func (r *Recorder) open(tid int) *window {
	w := &window{tid: tid}
	for other, o := range r.making {
		if other != tid && r.shares(tid, other) && len(w.list) < maxOperations {
			w.list = append(w.list, o)
		}
	}
	return w
}

// shares reports whether two threads may have one table of descriptors.
func (r *Recorder) shares(a, b int) bool {
	return r.sharedFiles || r.group[a] == r.group[b]
}

// numbers are the descriptors that a thread has.
func numbers(tid int) map[string]bool {
	list, err := os.ReadDir(proc(tid) + "/fd")
	if err != nil {
		return nil
	}
	m := map[string]bool{}
	for _, e := range list {
		m[e.Name()] = true
	}
	return m
}

// fresh reports whether a descriptor that a call has returned is one that it made.
func (r *Recorder) fresh(c call, fd int) bool {
	switch {
	case r.answered:
		r.note("the payload has calls answered by a process of its own (SECCOMP_FILTER_FLAG_NEW_LISTENER): what it opens from then on is not recorded")
		return false
	case r.filtered && (c.numbers == nil || c.numbers[strconv.Itoa(fd)]):
		return false // a filter can have a call return anything
	case c.window == nil || c.window.changed(fd):
		r.note(c.name + "(2): another thread has replaced the descriptor at the same time")
		return false
	}
	return true
}
