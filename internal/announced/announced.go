// Package announced is memory in which a program that starts sandboxes says which of its
// children are such, and by which chain: for hk-inspect, which reads it in the memory of the
// program, as only who may trace that can. The program that writes may not be trusted.
package announced

import (
	"encoding/binary"
	"slices"
	"strings"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Name is that of the memory, as in /proc/PID/maps after "/memfd:".
const Name = "hk-chain"

const (
	magic = "hkchain1"
	slots = 252
	// Header is how long the text is after what comes before it: the magic, the length of the
	// text, 4 bytes that are 0, and the PIDs.
	Header = 16 + 4*slots
	// Most is how long the text may be.
	Most = 1 << 20
	// tries is in how many places a PID can be.
	tries = 16
)

// A Memory is for one chain. A nil one says nothing.
type Memory struct{ b []byte }

// New returns the memory for a chain, or nil if it cannot be had. It is not copied by fork(2),
// and holds no descriptor.
func New(words []string) *Memory {
	text := strings.Join(words, "\x00")
	if len(text) > Most {
		return nil
	}
	fd, err := unix.MemfdCreate(Name, unix.MFD_CLOEXEC|unix.MFD_NOEXEC_SEAL)
	if err == unix.EINVAL { // before Linux 6.3
		fd, err = unix.MemfdCreate(Name, unix.MFD_CLOEXEC)
	}
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	size := Header + len(text)
	if unix.Ftruncate(fd, int64(size)) != nil {
		return nil
	}
	b, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil
	}
	m := &Memory{b}
	if unix.Madvise(b, unix.MADV_DONTFORK) != nil {
		m.Close()
		return nil
	}
	copy(b[Header:], text)
	binary.NativeEndian.PutUint32(b[8:], uint32(len(text)))
	copy(b, magic)
	return m
}

// Close gives the memory back. Nothing else may be called then.
func (m *Memory) Close() {
	if m != nil {
		unix.Munmap(m.b)
	}
}

// Add says that a child is a sandbox, unless there are too many of them.
func (m *Memory) Add(pid int) { m.swap(pid, 0, uint32(pid)) }

// Remove takes that back, once the child has ended.
func (m *Memory) Remove(pid int) { m.swap(pid, uint32(pid), 0) }

func (m *Memory) swap(pid int, from, to uint32) {
	if m == nil || pid <= 0 {
		return
	}
	for i := range tries {
		at := 16 + 4*((pid+i)%slots)
		if (*atomic.Uint32)(unsafe.Pointer(&m.b[at])).CompareAndSwap(from, to) {
			return
		}
	}
}

// Parse reads the first [Header] bytes: how long the text is, and the PIDs. ok is false for
// anything else.
func Parse(b []byte) (size int, pids []int, ok bool) {
	if len(b) < Header || string(b[:8]) != magic {
		return 0, nil, false
	}
	n := binary.NativeEndian.Uint32(b[8:])
	for at := 16; at < Header; at += 4 {
		if pid := binary.NativeEndian.Uint32(b[at:]); pid != 0 && pid < 1<<30 {
			pids = append(pids, int(pid))
		}
	}
	slices.Sort(pids)
	return int(n), pids, n > 0 && n <= Most
}

// Words are those of the text.
func Words(text []byte) []string { return strings.Split(string(text), "\x00") }
