package plan

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	maxExcept = 8
	stackSize = 64 << 10
	pageSize  = 4096
	// logSize is enough for what a file system context holds: eight messages.
	logSize = 4096
)

// A record is an op as the performing loop reads it.
type record struct {
	nr     uintptr
	args   [6]uintptr
	except [maxExcept]uint16
	stores unsafe.Pointer // to nstores stores
	count  uintptr
	exact  uintptr // 1: the result must be want
	want   uintptr
	needs  uintptr // results that are not there yet
	result uintptr // what the kernel returned, -errno for a failure
	done   uintptr // 1 once it has been performed
	logs   uintptr // 1: what the kernel says to a failure is read from args[0]
	again  uintptr // how often it is done again while the kernel says EAGAIN
}

// A store puts a result where it is used, which is one thing less that a record
// needs: an op does not happen before it has all that it uses.
type store struct {
	addr  unsafe.Pointer
	size  uintptr
	needs unsafe.Pointer
}

func (s store) put(v uint64) {
	*(*uintptr)(s.needs)--
	if s.size == 4 {
		*(*uint32)(s.addr) = uint32(v)
	} else {
		*(*uint64)(s.addr) = v
	}
}

// A header is the start of the arena: what the caller and the child share.
//
// Once the payload runs, whatever can attach to the init process can write
// here, so the supervisor treats every field as a claim.
type header struct {
	records unsafe.Pointer
	child   uintptr // index of the first op of the child
	between uintptr // index of the first op of init or of the joiner
	fork    uintptr // index of its clone; 0: there is none
	count   uintptr
	failed  uintptr        // index of the op that failed, plus one
	payload uintptr        // the payload's PID as its parent sees it
	status  uintptr        // the payload's wait status, plus one
	log     unsafe.Pointer // logSize bytes
	logged  uintptr        // how many of them are taken by messages of the kernel
	scratch [8]byte
}

// A layout is a plan in memory that the child has in common with the caller and
// that lies outside of the Go heap: the child touches nothing else.
type layout struct {
	arena []byte
	used  int
	head  *header
	// index maps a record to its item.
	index []int
	// records and child are the header's, which is not trusted once the payload
	// runs.
	records unsafe.Pointer
	child   int
}

const align = 16

func (l *layout) take(n int) unsafe.Pointer {
	if l.used+n > len(l.arena) {
		panic("plan: arena too small")
	}
	p := unsafe.Pointer(&l.arena[l.used])
	l.used += (n + align - 1) &^ (align - 1)
	return p
}

func roundUp(n int) int { return (n + align - 1) &^ (align - 1) }

// need is how many bytes m and what it points to take at the most.
func (m *Mem) need() int {
	n := roundUp(m.length()) + len(m.refs)*int(unsafe.Sizeof(store{}))
	for _, r := range m.refs {
		if r.mem != nil {
			n += r.mem.need()
		}
	}
	return n
}

// lay puts the plan into an arena. The caller unmaps it with free.
func (p *Plan) lay() (*layout, error) {
	n := roundUp(int(unsafe.Sizeof(header{}))) + logSize + pageSize
	for _, it := range p.items {
		// Each item takes a record, and each argument may be a result's place.
		n += int(unsafe.Sizeof(record{})) + 6*int(unsafe.Sizeof(store{})) + align
		for _, a := range it.op.Args {
			if m := a.mem(); m != nil {
				m.at = nil
				n += m.need()
			}
		}
	}
	n = (n + pageSize - 1) &^ (pageSize - 1)
	share := unix.MAP_PRIVATE // the child has the same memory
	if p.copies {
		share = unix.MAP_SHARED
	}
	arena, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, share|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("mmap of %d bytes for the plan: %w", n, err)
	}
	l := &layout{arena: arena, index: make([]int, 0, len(p.items))}
	l.head = (*header)(l.take(int(unsafe.Sizeof(header{}))))
	l.fillIn(p)
	return l, nil
}

func (l *layout) free() { unix.Munmap(l.arena) }

func (l *layout) fillIn(p *Plan) {
	for i, it := range p.items {
		if it.step == nil {
			l.index = append(l.index, i)
		} else {
			for _, r := range it.step.Gives {
				r.set = nil
			}
		}
		if it.op.gives != nil {
			it.op.gives.set = nil
		}
	}
	if p.sync != nil {
		p.sync.set, p.ours.set = nil, nil
		if p.rest != nil {
			p.rest.set = nil
		}
	}
	l.head.log = l.take(logSize)
	l.head.count = uintptr(len(l.index))
	l.records = l.take(len(l.index) * int(unsafe.Sizeof(record{})))
	l.head.records = l.records
	forks := 0
	for k, i := range l.index {
		op := p.items[i].op
		r := l.record(k)
		r.nr = op.nr
		for j, e := range op.except {
			r.except[j] = uint16(e)
		}
		if op.logs {
			r.logs = 1
		}
		if op.again {
			r.again = 10000
		}
		if op.exact {
			r.exact, r.want = 1, uintptr(op.want)
		}
		for j, a := range op.Args {
			switch is := a.is.(type) {
			case *Result:
				r.use(is, unsafe.Pointer(&r.args[j]), 8)
			case *Mem:
				r.args[j] = uintptr(l.place(is, r))
			default:
				r.args[j] = uintptr(a.val)
			}
		}
		if op.clone {
			forks++
			if forks == 2 {
				l.head.fork = uintptr(k)
			}
		}
		switch who := p.items[i].who; {
		case l.head.between == 0 && (who == Init || who == Joiner):
			l.head.between = uintptr(k)
		case l.head.child == 0 && who == Child:
			l.head.child = uintptr(k)
		}
	}
	l.child = int(l.head.child)
	// Now every place that uses a result is known.
	for k, i := range l.index {
		op := p.items[i].op
		if op.gives == nil || len(op.gives.set) == 0 {
			continue
		}
		r := l.record(k)
		r.count = uintptr(len(op.gives.set))
		r.stores = l.take(len(op.gives.set) * int(unsafe.Sizeof(store{})))
		copy(unsafe.Slice((*store)(r.stores), len(op.gives.set)), op.gives.set)
	}
}

func (l *layout) record(k int) *record {
	return (*record)(unsafe.Add(l.records, uintptr(k)*unsafe.Sizeof(record{})))
}

// use has a result stored at an address before the record is performed.
func (r *record) use(res *Result, addr unsafe.Pointer, size uintptr) {
	r.needs++
	res.set = append(res.set, store{addr, size, unsafe.Pointer(&r.needs)})
}

// place copies m, which r uses first, into the arena, once, and returns where it
// is.
func (l *layout) place(m *Mem, r *record) unsafe.Pointer {
	if m.at != nil {
		return m.at
	}
	n := m.length()
	m.at = l.take(n)
	to := unsafe.Slice((*byte)(m.at), n)
	copy(to, m.str)
	copy(to, m.bytes)
	for _, ref := range m.refs {
		where := unsafe.Add(m.at, ref.off)
		if ref.mem != nil {
			*(*uintptr)(where) = uintptr(l.place(ref.mem, r))
		} else {
			r.use(ref.res, where, uintptr(ref.size))
		}
	}
	return m.at
}

func (l *layout) fill(m *Mem, b []byte) {
	if len(b) > m.size {
		panic("plan: more bytes than were reserved")
	}
	if m.at != nil {
		copy(unsafe.Slice((*byte)(m.at), m.size), b)
	}
}
