package run

import (
	"errors"
	"unsafe"

	"hk/pkg/plan"
)

// maxArena is more than any plan needs: execve(2) can pass at most 6 MiB to a program.
const maxArena = 64 << 20

// check looks for damage in a template that was read from a file, and in its bytes.
func (t *template) check(bytes []byte) error {
	if t.size > maxArena || t.size%pageSize != 0 || t.used > t.size || t.used < int(unsafe.Sizeof(header{})) {
		return errors.New("the size of the arena is wrong")
	}
	if len(t.places) != t.plan.Buffers()+1 || len(t.uses) != t.plan.Results() {
		return errors.New("it has other buffers or results than the plan")
	}
	t.arena = bytes
	defer func() { t.arena = nil }()
	pointers := make(map[offset]bool, len(t.pointers))
	for _, o := range t.pointers {
		if o%8 != 0 || !t.holds(o, 8) || pointers[o] || !t.holds(offset(*(*uintptr)(t.at(o))), 1) || *(*uintptr)(t.at(o)) > maxArena {
			return errors.New("an address is outside of the arena")
		}
		pointers[o] = true
	}
	for _, uses := range t.uses {
		for _, u := range uses {
			if !t.holdsResult(u.addr, uintptr(u.size)) || !t.holds(u.needs, 8) {
				return errors.New("a result is used outside of the arena")
			}
		}
	}
	for _, o := range t.places {
		if o != 0 && !t.holds(o, 1) {
			return errors.New("a buffer is outside of the arena")
		}
	}
	if t.plan.Cloned() && !t.holds(t.places[t.plan.PidFD().Number()], 4) {
		return errors.New("the pidfd is outside of the arena")
	}
	if err := t.checkIndex(); err != nil {
		return err
	}
	return t.checkRecords(pointers)
}

// holds reports whether n bytes starting at an offset are in the arena, and a word is
// aligned.
func (t *template) holds(o offset, n int) bool {
	return int(o) <= t.used-n && (n < 8 || o%4 == 0)
}

// holdsResult reports whether a place where a result is stored is in the arena.
func (t *template) holdsResult(o offset, size uintptr) bool {
	switch size {
	case 4, 8:
		return t.holds(o, 8)
	case plan.Decimal:
		return int(o) <= t.used-plan.Decimal // of any alignment
	}
	return false
}

// checkIndex verifies that the records are those of the items, in order, and that the
// caller, and the process between, make the clones.
func (t *template) checkIndex() error {
	if len(t.index) != len(t.items) || len(t.index) == 0 {
		return errors.New("it has other ops than the plan")
	}
	clones, before := 0, plan.Caller
	for k, i := range t.index {
		if i != k || t.items[k].Actor < before {
			return errors.New("the ops are in another order than in the plan")
		}
		it := t.items[k]
		before = it.Actor
		if it.Op.Is(plan.Clones) {
			if clones++; it.Actor == plan.Child || clones == 1 && it.Actor != plan.Caller {
				return errors.New("a process clones that does not in a plan")
			}
		}
	}
	want := 0
	if t.plan.Cloned() {
		want = 1
		if !t.plan.Direct() {
			want = 2
		}
	}
	if clones != want {
		return errors.New("its clones differ from those of the plan")
	}
	return nil
}

// checkRecords verifies what the performing loop reads.
func (t *template) checkRecords(pointers map[offset]bool) error {
	wrong := errors.New("a record points outside the arena")
	head := (*header)(t.at(0))
	records := offset(uintptr(head.records))
	size := int(unsafe.Sizeof(record{}))
	if !pointers[offset(unsafe.Offsetof(head.records))] || !pointers[offset(unsafe.Offsetof(head.log))] ||
		int(head.count) != len(t.index) || !t.holds(records, size*len(t.index)) || records%align != 0 ||
		!t.holds(offset(uintptr(head.log)), logSize) || head.logged != 0 || head.failed != 0 || head.status != 0 {
		return wrong
	}
	actors := header{}
	child := t.child
	t.actors(&actors)
	if child != t.child || actors.child != head.child || actors.between != head.between || actors.forks != head.forks || actors.nforks != head.nforks || actors.lingers != head.lingers {
		return errors.New("it begins at a different place than the plan")
	}
	for k := range t.index {
		at := records + offset(k*size)
		r := (*record)(t.at(at))
		if r.skip != 0 || r.done != 0 || r.exact > 1 || r.retries > mostAgain {
			return errors.New("a record is not as it is before a run")
		}
		if r.count == 0 {
			continue
		}
		list := offset(uintptr(r.stores))
		each := int(unsafe.Sizeof(store{}))
		if !pointers[at+offset(unsafe.Offsetof(r.stores))] || r.count > maxArena || !t.holds(list, int(r.count)*each) || list%align != 0 {
			return wrong
		}
		for i := range int(r.count) {
			o := list + offset(i*each)
			s := (*store)(t.at(o))
			if !pointers[o] || !pointers[o+offset(unsafe.Offsetof(s.needs))] ||
				!t.holdsResult(offset(uintptr(s.addr)), s.size) || !t.holds(offset(uintptr(s.needs)), 8) {
				return wrong
			}
		}
	}
	return nil
}
