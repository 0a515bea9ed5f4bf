package run

import (
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// arenaSize is what the Go runtime reserves of the address space for its heap at once:
// package runtime, malloc.go.
const arenaSize = 64 << 20

//go:linkname iscgo runtime.iscgo
var iscgo bool

// A goHeap is the Go heap of this program, which a child with its own memory does not
// need. Without it the kernel copies no page tables for it and, when the program writes
// to it, no pages: a large heap costs nothing. And the child, which for an ordinary user
// is dumpable for a moment, has nothing of what the program has there.
type goHeap struct {
	mu        sync.Mutex
	low, high uintptr // the arenas around one object; the runtime adds arenas at the end
}

var heap goHeap

// hide keeps the heap out of clones of this process that have their own memory, until
// show: MADV_DONTFORK of madvise(2). In a program with cgo it does nothing, since C code
// might fork at any time and expect the heap in its child.
func (g *goHeap) hide() {
	if iscgo {
		return
	}
	g.mu.Lock()
	if g.low == 0 {
		object := new([64 << 10]byte)
		g.low = uintptr(unsafe.Pointer(object)) &^ (arenaSize - 1)
		g.high = g.low + arenaSize
	}
	madvise(g.low, g.high, unix.MADV_DONTFORK)
	for madvise(g.high, g.high+arenaSize, unix.MADV_DONTFORK) {
		g.high += arenaSize
	}
	for madvise(g.low-arenaSize, g.low, unix.MADV_DONTFORK) {
		g.low -= arenaSize
	}
}

func (g *goHeap) show() {
	if iscgo {
		return
	}
	madvise(g.low, g.high, unix.MADV_DOFORK)
	g.mu.Unlock()
}

// madvise reports whether there was memory in the whole range. Without it, or without
// the call, children only have more memory.
func madvise(low, high uintptr, advice int) bool {
	_, _, e := unix.RawSyscall(unix.SYS_MADVISE, low, high-low, uintptr(advice))
	return e == 0
}
