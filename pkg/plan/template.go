package plan

import (
	"unsafe"
)

// An offset is a place in an arena.
type offset uint32

const align = 16

func roundUp(n int) int { return (n + align - 1) &^ (align - 1) }

// A template is what all runs of a plan have in common: the plan in memory, in which
// each address is an offset still.
type template struct {
	plan *Plan
	// size is that of the arena, in bytes.
	size int
	// pointers are the places of words to which the address of the arena is added.
	pointers []offset
	// uses are the places of each result, by its id.
	uses [][]use
	// index maps a record to its item.
	index []int
	// child is the first record of the child.
	child int

	arena []byte // while it is filled in
	used  int
}

// A use is a [store] of a template.
type use struct {
	addr, needs offset
	size        uint8
}

func newTemplate(p *Plan) *template {
	t := &template{plan: p, index: make([]int, 0, len(p.items)), uses: make([][]use, p.results)}
	n := roundUp(int(unsafe.Sizeof(header{}))) + logSize + pageSize
	for _, it := range p.items {
		// Each item takes a record, and each argument may be a result's place.
		n += int(unsafe.Sizeof(record{})) + 6*int(unsafe.Sizeof(store{})) + align
		for _, a := range it.op.Args {
			if m := a.mem(); m != nil {
				m.at = 0
				n += m.need()
			}
		}
	}
	t.size = (n + pageSize - 1) &^ (pageSize - 1)
	return t
}

// need is how many bytes m and what it points to take at the most.
func (m *Mem) need() int {
	n := roundUp(m.length()) + len(m.refs)*int(unsafe.Sizeof(store{}))
	for _, r := range m.refs {
		if r.mem != nil {
			r.mem.at = 0
			n += r.mem.need()
		}
	}
	return n
}

func (t *template) take(n int) offset {
	if t.used+n > len(t.arena) {
		panic("plan: arena too small")
	}
	o := offset(t.used)
	t.used += roundUp(n)
	return o
}

func (t *template) at(o offset) unsafe.Pointer { return unsafe.Pointer(&t.arena[o]) }

// point stores the offset of something at a place, as an address to be.
func (t *template) point(at, to offset) {
	*(*uintptr)(t.at(at)) = uintptr(to)
	t.pointers = append(t.pointers, at)
}

// fillIn writes the plan into an arena, which is zero.
func (t *template) fillIn(arena []byte) {
	t.arena = arena
	for i, it := range t.plan.items {
		if it.step == nil {
			t.index = append(t.index, i)
		}
	}
	t.pointers = make([]offset, 0, 4*len(t.index))
	t.take(int(unsafe.Sizeof(header{})))
	head := (*header)(t.at(0))
	t.point(offset(unsafe.Offsetof(head.log)), t.take(logSize))
	records := t.take(len(t.index) * int(unsafe.Sizeof(record{})))
	t.point(offset(unsafe.Offsetof(head.records)), records)
	head.count = uintptr(len(t.index))
	for k := range t.index {
		t.op(k, records+offset(k)*offset(unsafe.Sizeof(record{})))
	}
	t.actors(head)
	for k, i := range t.index {
		if gives := t.plan.items[i].op.gives; gives != nil {
			t.stores(gives, records+offset(k)*offset(unsafe.Sizeof(record{})))
		}
	}
	t.arena = nil
}

// op writes record k.
func (t *template) op(k int, at offset) {
	op := t.plan.items[t.index[k]].op
	r := (*record)(t.at(at))
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
	needs := at + offset(unsafe.Offsetof(r.needs))
	for j, a := range op.Args {
		place := at + offset(unsafe.Offsetof(r.args)) + offset(j)*8
		switch is := a.is.(type) {
		case *Result:
			t.use(is, place, needs, 8)
		case *Mem:
			t.point(place, t.place(is, needs))
		default:
			r.args[j] = uintptr(a.val)
		}
	}
}

// actors notes in the header which records whose are.
func (t *template) actors(head *header) {
	forks := 0
	for k, i := range t.index {
		it := t.plan.items[i]
		if it.op.clone {
			forks++
			if forks == 2 {
				head.fork = uintptr(k)
			}
		}
		switch {
		case head.between == 0 && (it.who == Init || it.who == Joiner):
			head.between = uintptr(k)
		case head.child == 0 && it.who == Child:
			head.child = uintptr(k)
		}
	}
	t.child = int(head.child)
}

// use has a result stored at a place before the record that needs it is performed.
func (t *template) use(res *Result, addr, needs offset, size uint8) {
	*(*uintptr)(t.at(needs))++
	t.uses[res.id] = append(t.uses[res.id], use{addr, needs, size})
}

// stores gives the record at a place the list of where its result is used.
func (t *template) stores(res *Result, at offset) {
	uses := t.uses[res.id]
	if len(uses) == 0 {
		return
	}
	var s store
	list := t.take(len(uses) * int(unsafe.Sizeof(s)))
	for i, u := range uses {
		o := list + offset(i)*offset(unsafe.Sizeof(s))
		t.point(o+offset(unsafe.Offsetof(s.addr)), u.addr)
		t.point(o+offset(unsafe.Offsetof(s.needs)), u.needs)
		(*store)(t.at(o)).size = uintptr(u.size)
	}
	r := (*record)(t.at(at))
	r.count = uintptr(len(uses))
	t.point(at+offset(unsafe.Offsetof(r.stores)), list)
}

// place copies m, which a record needs first, into the arena, once, and returns where
// it is.
func (t *template) place(m *Mem, needs offset) offset {
	if m.at != 0 {
		return m.at
	}
	o := t.take(m.length())
	m.at = o
	to := t.arena[o:]
	copy(to, m.str)
	copy(to, m.bytes)
	for _, ref := range m.refs {
		where := o + offset(ref.off)
		if ref.mem != nil {
			t.point(where, t.place(ref.mem, needs))
		} else {
			t.use(ref.res, where, needs, uint8(ref.size))
		}
	}
	return o
}

// A Program is a plan that is laid out: it can be performed many times, by many
// threads at once. The plan must not be changed meanwhile, and its functions (Warn,
// LeftOut, the steps) are called by all of them.
type Program struct {
	template *template
	bytes    []byte
}

// Lay lays the plan out.
func (p *Plan) Lay() *Program {
	t := newTemplate(p)
	r := &Program{t, make([]byte, t.size)}
	t.fillIn(r.bytes)
	r.bytes = r.bytes[:t.used]
	return r
}

// Start is [Plan.Start].
func (r *Program) Start() (*Process, error) {
	p := r.template.plan
	if !p.Cloned() {
		panic("plan: Start is for plans with a clone")
	}
	arena, err := p.arena(r.template.size)
	if err != nil {
		return nil, err
	}
	copy(arena, r.bytes)
	return p.start(r.template.start(arena))
}
