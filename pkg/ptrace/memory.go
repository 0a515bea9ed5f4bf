package ptrace

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Memory reads the memory of stopped threads. The zero value is ready; its methods are for
// the thread of the tracer.
//
// A page may be one that a file system or another process has to fill in first, such as a FUSE
// server or one with userfaultfd(2), which are perhaps followed too, and stopped. A process may
// have the tracer wait for that for ten seconds in all. After that its memory is read if it is
// there, and not at all for as long as a page that it was waited for does not come: each such
// read holds a thread of the tracer.
type Memory struct {
	// waited is how long slow processes were waited for, by PID.
	waited map[int]time.Duration
	// late are the reads that were given up and have not ended.
	late []lateRead
}

type lateRead struct {
	pid  int
	done <-chan result
}

// result is that of a read, of which n bytes were there.
type result struct {
	n   int
	err error
}

const (
	patience = 10 * time.Second
	// atOnce is how long memory may take that nobody has to fill in.
	atOnce = 10 * time.Millisecond
	// maxLate is how many threads may be held.
	maxLate = 64
)

// PeekString reads a string that ends in a null byte from the memory of a stopped thread.
// ok is false if it cannot be read, or is longer than a path can be.
func (m *Memory) PeekString(tid int, addr uint64) (s string, ok bool) {
	b := make([]byte, unix.PathMax)
	for n := 0; n < len(b); {
		end := min(n+256, len(b))
		got := m.Peek(tid, addr+uint64(n), b[n:end])
		if i := bytes.IndexByte(b[n:n+got], 0); i >= 0 {
			return string(b[:n+i]), true
		}
		if n += got; n < end {
			break
		}
	}
	return "", false
}

// Peek reads memory of a stopped thread, up to the first page that cannot be read, and
// returns the number of bytes. It returns 0 if that takes too long.
func (m *Memory) Peek(tid int, addr uint64, b []byte) (n int) {
	if m.owes(tid) {
		return 0
	}
	got := make([]byte, len(b)) // which may be written to even after the time is over
	done := make(chan result, 1)
	go func() { done <- read(tid, addr, got) }()
	r, ok := within(done, atOnce)
	if !ok {
		pid, begin := processOf(tid), time.Now()
		if r, ok = within(done, patience-m.waited[pid]); m.waited == nil {
			m.waited = map[int]time.Duration{}
		}
		if m.waited[pid] += time.Since(begin); !ok {
			m.late = append(m.late, lateRead{pid, done})
			return 0
		}
	}
	if refused(r.err) {
		return peekWords(tid, addr, b)
	}
	return copy(b, got[:r.n])
}

// owes reports whether a page of a process is waited for that has not come.
func (m *Memory) owes(tid int) bool {
	if len(m.late) == 0 {
		return false
	}
	pid, owes := processOf(tid), false
	late := m.late[:0]
	for _, l := range m.late {
		if len(l.done) == 0 {
			late, owes = append(late, l), owes || l.pid == pid
		}
	}
	m.late = late
	return owes || len(late) >= maxLate
}

func within(done <-chan result, d time.Duration) (r result, ok bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case r = <-done:
		return r, true
	case <-timer.C:
		return r, false
	}
}

// processOf is the PID of the process of a thread.
func processOf(tid int) int {
	status, _ := ReadStatus("/proc/" + strconv.Itoa(tid))
	pid, err := strconv.Atoi(strings.Join(status.Field("Tgid"), " "))
	if err != nil {
		return tid
	}
	return pid
}

// refused is for a way to read that a filter or a security module refuses, or permissions do:
// another may still be open.
func refused(err error) bool {
	return err == unix.EPERM || err == unix.EACCES || err == unix.ENOSYS
}

// read reads in ways in which any thread of the tracer can: process_vm_readv(2), and where a
// filter around the tracer denies that, procfs.
func read(tid int, addr uint64, b []byte) result {
	n, err := byPage(addr, b, func(at uint64, b []byte) (int, error) {
		local := []unix.Iovec{{Base: &b[0]}}
		local[0].SetLen(len(b))
		return unix.ProcessVMReadv(tid, local, []unix.RemoteIovec{{Base: uintptr(at), Len: len(b)}}, 0)
	})
	if refused(err) {
		n, err = readProcfs(tid, addr, b)
	}
	return result{n, err}
}

func readProcfs(tid int, addr uint64, b []byte) (n int, err error) {
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/mem", tid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, unix.EPERM
	}
	defer unix.Close(fd)
	return byPage(addr, b, func(at uint64, b []byte) (int, error) { return unix.Pread(fd, b, int64(at)) })
}

// byPage reads page by page, of which each may be missing.
func byPage(addr uint64, b []byte, read func(at uint64, b []byte) (int, error)) (n int, err error) {
	const page = 4096 // or a part of one
	for n < len(b) {
		at := addr + uint64(n)
		size := min(len(b)-n, int(page-at%page))
		var got int
		got, err = read(at, b[n:n+size])
		if n += max(got, 0); got < size {
			break
		}
	}
	return n, err
}

// peekWords reads with ptrace(2), which only the thread of the tracer can do, for as long as it
// takes. It is for root without CAP_SYS_PTRACE, to whom the kernel refuses the other ways for
// another user's process, and not this one.
func peekWords(tid int, addr uint64, b []byte) (n int) {
	for n < len(b) {
		var word [8]byte
		at := addr + uint64(n)
		skip := at % 8 // a word that is aligned is in one page
		if request(unix.PTRACE_PEEKDATA, tid, uintptr(at-skip), uintptr(unsafe.Pointer(&word))) != nil {
			break
		}
		n += copy(b[n:], word[skip:])
	}
	return n
}
