package run

import (
	"slices"
	"unsafe"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// An offset is a place in an arena.
type offset uint32

const align = 16

func roundUp(n int) int { return (n + align - 1) &^ (align - 1) }

// A template is what all runs of a plan have in common: the plan in memory, with an
// offset in place of each address.
type template struct {
	plan  *plan.Plan
	items []plan.Item
	// size is the size of the arena, in bytes.
	size int
	// pointers are the places of words to which the address of the arena must be added.
	pointers []offset
	// uses are the places where each result is used, by its number.
	uses [][]use
	// index maps a record to its item.
	index []int
	// child is the first record of the child, and observes is set if it has observers.
	child    int
	observes bool
	// places are where the plan's buffers are, by their numbers; 0 if they are not in
	// the arena.
	places []offset
	// given are the places where a run puts what it gives, and conditions say which
	// records depend on that; files is the maximum number of files to execute that it
	// can give.
	given      []place
	conditions []condition
	files      int
	// vars are the variables that a run adds to an environment that it gives.
	vars []offset

	arena []byte // while it is filled in
	used  int
}

// mostAgain is how often an op is repeated while it fails with EAGAIN.
const mostAgain = 10000

// A use is a [store] of a template.
type use struct {
	addr, needs offset
	size        uint8
}

func newTemplate(p *plan.Plan) *template {
	items := p.Items()
	t := &template{plan: p, items: items, index: make([]int, 0, len(items)),
		uses: make([][]use, p.Results()), places: make([]offset, p.Buffers()+1)}
	n := roundUp(int(unsafe.Sizeof(header{}))) + logSize + pageSize
	for _, it := range items {
		// Each item needs a record, and each argument may be the place of a result.
		n += int(unsafe.Sizeof(record{})) + 6*int(unsafe.Sizeof(store{})) + align
		for _, a := range it.Op.Args {
			if b := a.Buffer(); b != nil {
				n += need(b)
			}
		}
	}
	t.size = (n + pageSize - 1) &^ (pageSize - 1)
	return t
}

// need is the maximum number of bytes for a buffer and what it points to.
func need(b *plan.Buffer) int {
	n := roundUp(b.Len()) + len(b.References())*int(unsafe.Sizeof(store{}))
	for _, r := range b.References() {
		if r.Buffer != nil {
			n += need(r.Buffer)
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

// point stores the offset of something at a place, to become an address.
func (t *template) point(at, to offset) {
	*(*uintptr)(t.at(at)) = uintptr(to)
	t.pointers = append(t.pointers, at)
}

// fillIn writes the plan into an arena, which is zero.
func (t *template) fillIn(arena []byte) {
	t.arena = arena
	for i, it := range t.items {
		if it.Step == nil {
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
		t.write(k, records+offset(k)*offset(unsafe.Sizeof(record{})))
	}
	t.actors(head)
	for k, i := range t.index {
		if gives := t.items[i].Op.Result; gives != nil {
			t.stores(gives, records+offset(k)*offset(unsafe.Sizeof(record{})))
		}
	}
	t.arena = nil
}

// op is the op of record k.
func (t *template) op(k int) *plan.Op { return t.items[t.index[k]].Op }

// reports reports whether a failure becomes known even if a filter of the plan kills for
// what is read after it: it is in memory of another process, or there is no filter.
func (t *template) reports() bool {
	return t.plan.Cloned() || !slices.ContainsFunc(t.items, func(it plan.Item) bool { return it.Op != nil && it.Op.Is(plan.Filters) })
}

// write writes record k.
func (t *template) write(k int, at offset) {
	op := t.op(k)
	t.condition(k)
	r := (*record)(t.at(at))
	r.nr = op.Number
	for j, e := range op.Tolerated {
		r.tolerated[j] = uint16(e)
	}
	if op.Is(plan.Logs) || op.Number == unix.SYS_EXECVE && t.reports() {
		r.logs = 1
	}
	if op.Is(plan.Retries) {
		r.retries = mostAgain
	}
	if op.Exact {
		r.exact, r.want = 1, uintptr(op.Want)
	}
	needs := at + offset(unsafe.Offsetof(r.needs))
	if op.Same != nil {
		t.use(op.Same, at+offset(unsafe.Offsetof(r.want)), needs, 8)
	}
	for j, a := range op.Args {
		where := at + offset(unsafe.Offsetof(r.args)) + offset(j)*8
		if result, buffer := a.Result(), a.Buffer(); result != nil {
			t.use(result, where, needs, 8)
		} else if buffer != nil && buffer.Given() != 0 {
			t.given = append(t.given, place{buffer.Given(), where, max(t.files-1, 0)})
			t.planEnv(buffer, needs)
		} else if buffer != nil {
			t.point(where, t.place(buffer, needs)+offset(a.Number()))
		} else {
			r.args[j] = uintptr(a.Number())
		}
	}
	t.writeObserver(k, at)
}

// planEnv places the variables that are added to the environment that a run gives, once.
func (t *template) planEnv(b *plan.Buffer, needs offset) {
	if len(t.vars) > 0 {
		return
	}
	for _, ref := range b.References() {
		t.vars = append(t.vars, t.place(ref.Buffer, needs))
	}
}

// actors records in the header which process performs which records.
func (t *template) actors(head *header) {
	head.nforks = 0
	for k, i := range t.index {
		it := t.items[i]
		if it.Op.Is(plan.Clones) && it.Actor != plan.Caller {
			head.forks[head.nforks] = uintptr(k)
			head.nforks++
		}
		switch {
		case head.between == 0 && (it.Actor == plan.Init || it.Actor == plan.Joiner):
			head.between = uintptr(k)
		case head.child == 0 && it.Actor == plan.Child:
			head.child = uintptr(k)
		}
	}
	t.child = int(head.child)
	if t.plan.Lingers {
		head.lingers = 1
	}
}

// use makes a result be stored at a place before the record that needs it is performed.
func (t *template) use(res *plan.Result, addr, needs offset, size uint8) {
	*(*uintptr)(t.at(needs))++
	t.uses[res.Number()] = append(t.uses[res.Number()], use{addr, needs, size})
}

// stores gives the record at a place the list of places where its result is used.
func (t *template) stores(res *plan.Result, at offset) {
	uses := t.uses[res.Number()]
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

// place copies a buffer, which a record is the first to need, into the arena, once, and
// returns where it is.
func (t *template) place(b *plan.Buffer, needs offset) offset {
	at := &t.places[b.Number()]
	if *at != 0 {
		return *at
	}
	o := t.take(b.Len())
	*at = o
	b.CopyTo(t.arena[o:])
	for _, ref := range b.References() {
		where := o + offset(ref.Offset)
		if ref.Buffer != nil {
			t.point(where, t.place(ref.Buffer, needs))
		} else {
			t.use(ref.Result, where, needs, uint8(ref.Size))
		}
	}
	return o
}
