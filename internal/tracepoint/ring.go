package tracepoint

import (
	"encoding/binary"
	"errors"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Online are the processors that are online.
func Online() (list []int, err error) {
	b, err := os.ReadFile("/sys/devices/system/cpu/online")
	if err != nil {
		return nil, err
	}
	for part := range strings.SplitSeq(strings.TrimSpace(string(b)), ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, err := strconv.Atoi(first)
		to, err2 := strconv.Atoi(last)
		if err := errors.Join(err, err2); err != nil {
			return nil, err
		}
		for ; from <= to; from++ {
			list = append(list, from)
		}
	}
	return list, nil
}

// Open opens a tracepoint: for a thread on all processors, whose number is then -1, or for all
// threads, whose number is -1, on a processor. With a depth above 0 a sample has that many
// functions of the kernel that have led to it.
func Open(id uint16, tid, cpu int, depth uint16) (fd int, err error) {
	attr := unix.PerfEventAttr{Type: unix.PERF_TYPE_TRACEPOINT, Config: uint64(id), Sample: 1, Wakeup: 1,
		Sample_type: unix.PERF_SAMPLE_TID | unix.PERF_SAMPLE_RAW}
	if depth > 0 {
		attr.Sample_type |= unix.PERF_SAMPLE_CALLCHAIN
		attr.Sample_max_stack = depth
		attr.Bits |= unix.PerfBitExcludeCallchainUser
	}
	attr.Size = uint32(unsafe.Sizeof(attr))
	return unix.PerfEventOpen(&attr, tid, cpu, -1, unix.PERF_FLAG_FD_CLOEXEC)
}

// A Ring is the buffer of a descriptor of [Open].
type Ring struct{ mapped []byte }

// NewRing makes a buffer of a number of pages that is a power of two.
func NewRing(fd, pages int) (Ring, error) {
	b, err := unix.Mmap(fd, 0, (1+pages)*os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	return Ring{b}, err
}

// Close frees the buffer.
func (r Ring) Close() { _ = unix.Munmap(r.mapped) }

// Drain reads the records that are there.
func (r Ring) Drain(take func(record []byte)) {
	page := (*unix.PerfEventMmapPage)(unsafe.Pointer(&r.mapped[0]))
	data := r.mapped[os.Getpagesize():]
	head, tail := atomic.LoadUint64(&page.Data_head), page.Data_tail
	for head-tail >= 8 {
		record := wrapped(data, tail, 8)
		size := uint64(binary.NativeEndian.Uint16(record[6:]))
		if size < 8 || size > head-tail {
			break
		}
		take(wrapped(data, tail, size))
		tail += size
	}
	atomic.StoreUint64(&page.Data_tail, head)
}

// wrapped are bytes of a buffer from a position on, whose end continues at its start.
func wrapped(data []byte, at, size uint64) []byte {
	b := make([]byte, size)
	n := copy(b, data[at%uint64(len(data)):])
	copy(b[n:], data)
	return b
}

// A Sample is what a tracepoint has told: the process and the thread, in the PID namespace of
// this process, the addresses of the functions that have led to it, and what the tracepoint has
// written.
type Sample struct {
	PID, TID int
	Stack    []uint64
	Raw      []byte
}

// Lost reports whether a record says that others were lost.
func Lost(record []byte) bool {
	return binary.NativeEndian.Uint32(record) == unix.PERF_RECORD_LOST
}

// ParseSample takes a record apart: struct perf_event_header, and what was asked for. stack is
// set if a depth was.
func ParseSample(record []byte, stack bool) (s Sample, ok bool) {
	const header = 8
	if len(record) < header+8 || binary.NativeEndian.Uint32(record) != unix.PERF_RECORD_SAMPLE {
		return s, false
	}
	word := func(b []byte) int { return int(int32(binary.NativeEndian.Uint32(b))) }
	s.PID, s.TID = word(record[header:]), word(record[header+4:])
	rest := record[header+8:]
	if stack {
		if len(rest) < 8 {
			return s, false
		}
		n := binary.NativeEndian.Uint64(rest)
		if rest = rest[8:]; n > uint64(len(rest)/8) {
			return s, false
		}
		for range n {
			s.Stack = append(s.Stack, binary.NativeEndian.Uint64(rest))
			rest = rest[8:]
		}
	}
	if len(rest) < 4 {
		return s, false
	}
	size := uint64(binary.NativeEndian.Uint32(rest))
	if rest = rest[4:]; size > uint64(len(rest)) || size < 2 {
		return s, false
	}
	s.Raw = rest[:size]
	return s, true
}

// ID is the number of the tracepoint of a sample.
func (s Sample) ID() uint16 { return binary.NativeEndian.Uint16(s.Raw) }
