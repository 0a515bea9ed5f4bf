package run

import (
	"fmt"
	"unsafe"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

const (
	pageSize = 4096
	// logSize is enough for the messages of a file system context, which are at most
	// eight.
	logSize = 4096
)

// A record is an op in the form that the performing loop reads.
type record struct {
	nr        uintptr
	args      [6]uintptr
	tolerated [plan.MaxTolerated]uint16
	stores    unsafe.Pointer // to nstores stores
	count     uintptr
	exact     uintptr // 1: the result must be want; or [succeeds]
	want      uintptr
	needs     uintptr // how many of the results that it uses are still missing
	result    uintptr // what the kernel returned, -errno for a failure
	done      uintptr // 1 once it has been performed
	logs      uintptr // 1: after a failure args[0] is read, a file system context or a program
	skip      uintptr // 1: it is not performed in this run; or [observes]
	retries   uintptr // how often it is repeated while the kernel returns EAGAIN
}

// A store puts a result where it is used, and decrements the count of missing results
// of the record that uses it: an op is not performed before that count is 0.
type store struct {
	addr  unsafe.Pointer
	size  uintptr
	needs unsafe.Pointer
}

func (s store) put(v uint64) {
	*(*uintptr)(s.needs)--
	write(s.addr, s.size, v)
}

// A header is the start of the arena, shared by the caller and the child.
//
// Once the payload runs, any process that can trace the init process can write here, so
// the supervisor does not trust any field.
type header struct {
	records unsafe.Pointer
	child   uintptr // index of the first op of the child
	between uintptr // index of the first op of init or of the joiner
	// forks are the indexes of the clones of init or of the joiner and of those that take
	// its place, of which there are nforks.
	forks   [maxForks]uintptr
	nforks  uintptr
	count   uintptr
	lingers uintptr        // 1: init waits for all processes of its PID namespace
	failed  uintptr        // index of the op that failed, plus one
	payload uintptr        // the payload's PID in its parent's PID namespace
	status  uintptr        // the payload's wait status, plus one
	log     unsafe.Pointer // logSize bytes
	logged  uintptr        // how many of them the kernel's messages take up
	scratch [8]byte
}

// maxForks is the most that a joiner needs: a member of the PID namespace that it has joined,
// PID 1 of one inside that, and the child.
const maxForks = 3

// A layout is one run of a plan, in memory outside the Go heap that the child shares
// with the caller: the child touches nothing else.
type layout struct {
	*template
	attr  Attr
	arena []byte
	head  *header
	// left are descriptors of the caller's ops that only the child still has.
	left []*plan.Result
	// records is the number in the header, which is not trusted once the payload runs.
	records unsafe.Pointer
}

func (l *layout) at(o offset) unsafe.Pointer { return unsafe.Pointer(&l.arena[o]) }

// start adds what the template lacks to an arena that contains it: addresses.
func (t *template) start(arena []byte, attr Attr) *layout {
	l := &layout{template: t, attr: attr, arena: arena}
	base := uintptr(unsafe.Pointer(&arena[0]))
	for _, o := range t.pointers {
		*(*uintptr)(l.at(o)) += base
	}
	l.head = (*header)(l.at(0))
	l.records = l.head.records
	l.give(attr.Command)
	return l
}

// lay makes the only run of a plan, in place. The caller unmaps it with free.
func lay(p *plan.Plan, attr Attr) (*layout, error) {
	t := newTemplate(p)
	arena, err := newArena(p, t.size)
	if err != nil {
		return nil, err
	}
	t.fillIn(arena)
	return t.start(arena, attr), nil
}

// newArena allocates memory for a run.
func newArena(p *plan.Plan, size int) ([]byte, error) {
	share := unix.MAP_PRIVATE // the child shares this memory
	if p.OwnMemory() {
		share = unix.MAP_SHARED
	}
	arena, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, share|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("mmap of %d bytes for the plan: %w", size, err)
	}
	return arena, nil
}

func (l *layout) free() { unix.Munmap(l.arena) }

func (l *layout) record(k int) *record {
	return (*record)(unsafe.Add(l.records, uintptr(k)*unsafe.Sizeof(record{})))
}

// set gives a value to the ops that use r.
func (l *layout) set(r *plan.Result, v uint64) {
	for _, u := range l.uses[r.Number()] {
		store{l.at(u.addr), uintptr(u.size), l.at(u.needs)}.put(v)
	}
}

func (l *layout) fill(b *plan.Buffer, bytes []byte) {
	if len(bytes) > b.Len() {
		panic("run: more bytes than were reserved")
	}
	if at := l.places[b.Number()]; b.Number() > 0 && at != 0 {
		copy(l.arena[at:int(at)+b.Len()], bytes)
	}
}
