package run

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"runtime"
	"unsafe"

	"hk/pkg/cause"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// form identifies the contents of a file written by this version of the program: the
// layout of records differs between versions.
var form = fmt.Sprintf("hk program 5 %s %d %d %d\n", runtime.GOARCH,
	unsafe.Sizeof(header{}), unsafe.Sizeof(record{}), unsafe.Sizeof(store{}))

// ErrForm is the error of [Program.UnmarshalBinary] if the bytes are not a program, or
// are one for another architecture or version of this package.
var ErrForm = errors.New("not a laid out program of this version and architecture")

// MarshalBinary returns the program as bytes for a file: encoding.BinaryMarshaler.
// Nothing in it depends on the process that made it. It fails if the plan has
// supervisor steps, which are functions, or belongs to a program that continues to run
// ([plan.Plan.Isolate]).
func (r *Program) MarshalBinary() ([]byte, error) {
	written, err := r.template.plan.Write()
	if err != nil {
		return nil, err
	}
	e := &encoder{b: []byte(form)}
	e.plan(written)
	e.template(r.template)
	e.memory(r.bytes)
	return binary.LittleEndian.AppendUint64(e.b, checksum(e.b)), nil
}

// checksum is one that needs no table, which every start would pay for.
func checksum(b []byte) uint64 {
	h := fnv.New64a()
	h.Write(b)
	return h.Sum64()
}

// UnmarshalBinary reads what MarshalBinary has written: encoding.BinaryUnmarshaler.
//
// A file must be trusted as much as a program: it says which system calls are made, with
// which arguments, and what [Program.Plan] prints of them. What is checked finds damage:
// a file of another version, one that was cut off or changed, and places outside of the
// memory of a run. It does not find malice.
func (r *Program) UnmarshalBinary(b []byte) error {
	n := len(b) - 8
	if n < len(form) || string(b[:len(form)]) != form {
		return ErrForm
	}
	if binary.LittleEndian.Uint64(b[n:]) != checksum(b[:n]) {
		return errors.New("the checksum is wrong")
	}
	d := &decoder{b: b[len(form):n]}
	written := d.plan()
	t := d.template()
	bytes := d.memory(t.used)
	if d.err == nil && len(d.b) > 0 {
		d.fail("extra data after the program")
	}
	if d.err != nil {
		return d.err
	}
	p, err := written.Plan()
	if err != nil {
		return err
	}
	t.plan, t.items = p, p.Items()
	if err := t.check(bytes); err != nil {
		return err
	}
	r.template, r.bytes, r.extents = t, bytes, extents(bytes)
	return nil
}

func (e *encoder) plan(w *plan.Written) {
	e.number(len(w.Items))
	for _, it := range w.Items {
		e.number(int(it.Actor), int(it.Roles), int(it.Want), it.Number, it.Closes, len(it.Tolerated), len(it.Hints))
		e.flag(it.Exact)
		e.text(it.Stage, it.Name, it.Text, it.Cause, it.Result)
		for _, errno := range it.Tolerated {
			e.number(int(errno))
		}
		for _, h := range it.Hints {
			e.number(int(h.Errno))
			e.text(h.Text, string(h.Cause))
		}
	}
	e.number(w.Results, w.Buffers, int(w.Between), w.Supervisor, w.Own, w.Rest, w.PidFD)
	e.flag(w.Cloned, w.PayloadIsPID1, w.OwnMemory, w.Mute, w.Lingers, w.Leaves)
	e.text(w.MayKill)
	e.numbers(w.Keep)
}

func (d *decoder) plan() *plan.Written {
	w := &plan.Written{Items: make([]plan.WrittenItem, d.count())}
	for i := range w.Items {
		it := &w.Items[i]
		it.Actor, it.Roles, it.Want = plan.Actor(d.small(255)), plan.Role(d.small(255)), int64(d.number())
		it.Number, it.Closes = d.number(), d.number()
		it.Tolerated, it.Hints = make([]unix.Errno, d.count()), make([]plan.WrittenHint, d.count())
		it.Exact = d.flag()
		for _, s := range []*string{&it.Stage, &it.Name, &it.Text, &it.Cause, &it.Result} {
			*s = d.text()
		}
		for j := range it.Tolerated {
			it.Tolerated[j] = unix.Errno(d.small(4095))
		}
		for j := range it.Hints {
			it.Hints[j] = plan.WrittenHint{Errno: unix.Errno(d.small(4095)), Text: d.text(), Cause: cause.Name(d.text())}
		}
	}
	w.Results, w.Buffers, w.Between = d.number(), d.number(), plan.Actor(d.small(255))
	w.Supervisor, w.Own, w.Rest, w.PidFD = d.number(), d.number(), d.number(), d.number()
	w.Cloned, w.PayloadIsPID1, w.OwnMemory, w.Mute = d.flag(), d.flag(), d.flag(), d.flag()
	w.Lingers, w.Leaves = d.flag(), d.flag()
	w.MayKill = d.text()
	w.Keep = d.numbers()
	return w
}

func (e *encoder) template(t *template) {
	e.number(t.size, t.used, t.child)
	e.numbers(t.index)
	e.offsets(t.pointers)
	e.offsets(t.places)
	e.number(len(t.uses))
	for _, uses := range t.uses {
		e.number(len(uses))
		for _, u := range uses {
			e.number(int(u.addr), int(u.needs), int(u.size))
		}
	}
}

func (d *decoder) template() *template {
	t := &template{size: d.small(maxArena), used: d.small(maxArena), child: d.number()}
	t.index = d.numbers()
	t.pointers = d.offsets()
	t.places = d.offsets()
	t.uses = make([][]use, d.count())
	for i := range t.uses {
		t.uses[i] = make([]use, d.count())
		for j := range t.uses[i] {
			t.uses[i][j] = use{offset(d.small(maxArena)), offset(d.small(maxArena)), uint8(d.small(plan.Decimal))}
		}
	}
	return t
}
