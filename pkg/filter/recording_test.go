package filter

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// made is a call that was recorded.
type made struct {
	arch *Arch
	nr   uint32
	args [6]uint64
}

// recorded checks that the profile of a recording allows what was recorded, on
// every architecture that it has, and nothing else but what is always allowed;
// and that merging it into an empty recording gives the same profile.
func recorded(t *testing.T, native *Arch, calls []made) {
	t.Helper()
	r := &Recording{}
	for _, c := range calls {
		r.Call(c.arch.Audit, c.nr, c.args)
	}
	data, err := r.Profile(native)
	if err != nil {
		t.Fatal(err)
	}
	again := &Recording{}
	if err := again.Merge(data); err != nil {
		t.Fatalf("Merge() = %v; want no error\n%s", err, data)
	}
	if b, err := again.Profile(native); err != nil || !bytes.Equal(b, data) {
		t.Fatalf("Profile() of what was merged = %s, %v; want %s", b, err, data)
	}
	p, notes, err := ReadProfile(data, Target{Arch: native})
	if err != nil || len(notes) > 0 {
		t.Fatalf("ReadProfile() = %v, %q; want no error and no notes\n%s", err, notes, data)
	}
	if p.Default != Errno(unix.EPERM) {
		t.Fatalf("ReadProfile().Default = %v; want %v", p.Default, Errno(unix.EPERM))
	}
	code, err := Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	m := newMachine(t, code)
	byName := map[string][]made{}
	for _, c := range calls {
		byName[nameOf(c)] = append(byName[nameOf(c)], c)
	}
	check := func(a *Arch, nr uint32, args [6]uint64) {
		t.Helper()
		want := false
		if name, ok := tables.name(a, nr); ok && slices.Contains(p.Arches, a) {
			want = slices.Contains(always, name) || name == "sigreturn" && slices.ContainsFunc(p.Arches, func(a *Arch) bool { return a.bits == 32 })
			for _, c := range byName[name] {
				want = want || alike(r, name, c, made{a, nr, args})
			}
		}
		if got := m.run(t, a.Audit, nr, args); (got == Allow) != want {
			t.Fatalf("%s call %d %x: %v, want allowed %v\n%s", a.Name, nr, args, got, want, data)
		}
	}
	for _, c := range calls {
		check(c.arch, c.nr, c.args)
		args := c.args
		args[telling[nameOf(c)].arg] ^= 0x10000001
		check(c.arch, c.nr, args)
		for _, a := range p.Arches {
			if nr, ok := a.Number(nameOf(c)); ok {
				check(a, nr, c.args)
			}
		}
		check(c.arch, c.nr+1, c.args)
	}
	for _, a := range p.Arches {
		for _, c := range a.table {
			check(a, c.nr, [6]uint64{})
		}
	}
}

// tables is for the names only.
var tables Recording

func nameOf(c made) string { name, _ := tables.name(c.arch, c.nr); return name }

// alike reports whether one of two calls stands for the other.
func alike(r *Recording, name string, a, b made) bool {
	arg, tells := telling[name]
	if !tells || r.calls[name] == nil {
		return true
	}
	value := func(c made) uint64 {
		taken, _ := c.arch.argument(name, arg.arg)
		v := c.args[arg.arg] & taken.lookedAt()
		if arg.mask != 0 {
			v &= arg.mask
		}
		return v
	}
	return value(a) == value(b)
}

var natives = map[*Arch][]*Arch{X86_64: {X86_64, X86, X32}, AArch64: {AArch64, ARM}}

func randomCalls(r *rand.Rand, list []*Arch, n int) []made {
	var calls []made
	for range n {
		a := list[r.IntN(len(list))]
		c := made{arch: a, nr: a.table[r.IntN(len(a.table))].nr}
		if r.IntN(3) == 0 { // one with an argument that tells
			for name := range telling {
				if nr, ok := a.Number(name); ok {
					c.nr = nr
					break
				}
			}
		}
		for i := range c.args {
			c.args[i] = r.Uint64() >> r.IntN(64)
		}
		calls = append(calls, c)
	}
	return calls
}

func TestRecording(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		for native, list := range natives {
			recorded(t, native, randomCalls(r, list[:1+r.IntN(len(list))], r.IntN(60)))
		}
	}
}

func TestRecordingValues(t *testing.T) {
	ioctl, _ := X86_64.Number("ioctl")
	var calls []made
	for i := range maxValues {
		calls = append(calls, made{X86_64, ioctl, [6]uint64{0, uint64(i)}})
	}
	recorded(t, X86_64, calls)
	calls = append(calls, made{X86_64, ioctl, [6]uint64{0, maxValues}})
	recorded(t, X86_64, calls)
}

func FuzzRecording(f *testing.F) {
	f.Add([]byte{0, 16, 0, 1, 84, 0, 0})
	f.Add([]byte{1, 102, 0, 1, 0, 0, 0, 2, 41, 0, 40, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		for native, list := range natives {
			var calls []made
			for d := data; len(d) >= 7; d = d[7:] {
				a := list[int(d[0])%len(list)]
				c := made{arch: a, nr: uint32(binary.LittleEndian.Uint16(d[1:])) % 600}
				if a == X32 {
					c.nr |= x32Bit
				}
				v := uint64(binary.LittleEndian.Uint32(d[3:]))
				c.args = [6]uint64{v, v, v | v<<32, v, v, v}
				if _, ok := tables.name(a, c.nr); ok {
					calls = append(calls, c)
				}
			}
			recorded(t, native, calls)
		}
	})
}

// FuzzMerge checks that what can be merged is a profile that can be merged.
func FuzzMerge(f *testing.F) {
	f.Add([]byte(`{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":1,"architectures":["SCMP_ARCH_X86_64"],"syscalls":[{"names":["ioctl"],"action":"SCMP_ACT_ALLOW","args":[{"index":1,"value":21505,"op":"SCMP_CMP_EQ"}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := &Recording{}
		if r.Merge(data) != nil {
			return
		}
		one, err := r.Profile(X86_64)
		if err != nil {
			t.Fatal(err)
		}
		again := &Recording{}
		if err := again.Merge(one); err != nil {
			t.Fatalf("Merge() = %v; want no error\n%s", err, one)
		}
		if two, _ := again.Profile(X86_64); !bytes.Equal(one, two) {
			t.Fatalf("Profile() of what was merged = %s; want %s", two, one)
		}
	})
}

func TestMergeRefuses(t *testing.T) {
	const head = `{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":1,"architectures":["SCMP_ARCH_X86_64"],"syscalls":[`
	if err := (&Recording{}).Merge([]byte(head + `{"names":["read"],"action":"SCMP_ACT_ALLOW"}]}`)); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		``, `{}`, `text`, head, head + `]}{}`, `{}0"`, head + `]}"`, `[{}]`, `{"syscalls":[[{}]]}`,
		strings.Replace(head, "ERRNO", "ALLOW", 1) + `]}`,
		strings.Replace(head, "Ret\":1", "Ret\":38", 1) + `]}`,
		strings.Replace(head, "X86_64", "VAX", 1) + `]}`,
		head + `{"names":["read"],"action":"SCMP_ACT_ERRNO"}]}`,
		head + `{"names":["read"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_KILL"]}}]}`,
		head + `{"names":["no_such_call"],"action":"SCMP_ACT_ALLOW"}]}`,
		head + `{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"}]}]}`,
		head + `{"names":["ioctl"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"}]}]}`,
		head + `{"names":["ioctl"],"action":"SCMP_ACT_ALLOW","args":[{"index":1,"value":1,"op":"SCMP_CMP_NE"}]}]}`,
		head + `{"names":["ioctl"],"action":"SCMP_ACT_ALLOW","args":[{"index":1,"value":4294967296,"op":"SCMP_CMP_EQ"}]}]}`,
	} {
		r := &Recording{}
		if err := r.Merge([]byte(text)); err == nil || len(r.calls) > 0 {
			t.Errorf("Merge(%s) = %v, with %v; want an error and nothing", text, err, r)
		}
	}
}

func TestRecordingNotes(t *testing.T) {
	r := &Recording{}
	uring, _ := X86_64.Number("io_uring_setup")
	clone, _ := X86_64.Number("clone")
	for _, c := range []made{
		{X86_64, 9999, [6]uint64{}},
		{X86_64, 9999, [6]uint64{}},
		{X86_64, uring, [6]uint64{}},
		{X86_64, clone, [6]uint64{unix.CLONE_UNTRACED}},
		{X86_64, skipped, [6]uint64{}},
		{&Arch{Audit: 1}, 1, [6]uint64{}},
	} {
		r.Call(c.arch.Audit, c.nr, c.args)
	}
	got := strings.Join(r.Notes(), "\n")
	for _, want := range []string{"call 9999 of x86_64", "io_uring is used", "CLONE_UNTRACED", "unknown architecture"} {
		if strings.Count(got, want) != 1 {
			t.Errorf("the notes say %q not once:\n%s", want, got)
		}
	}
	for nr := range uint32(1000) {
		r.Call(X86_64.Audit, 10000+nr, [6]uint64{})
	}
	if n := len(r.Notes()); n > maxNumbers+10 {
		t.Errorf("Notes() = %d; want %d at most", n, maxNumbers+10)
	}
	if r.String() != "clone io_uring_setup" || r.Len() != 2 {
		t.Errorf("String() = %v; want clone io_uring_setup", r)
	}
}
