package filter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// A Recording is the set of system calls that were made, as far as a profile can
// distinguish them: by name, and by the one argument that says what a call such as
// ioctl(2) does. The zero value is empty.
//
// A profile of the Open Container Initiative has names, not numbers, and the same rules
// for all its architectures: a call made on one of them is allowed on the others too,
// if they have it.
type Recording struct {
	arches []*Arch
	// calls are the values of the distinguishing argument, or nil for any.
	calls map[string]map[uint64]bool
	// names are those of the tables, by number.
	names map[*Arch]map[uint32]string
	notes []string
	// numbers is how many of the notes are about calls without a name.
	numbers int
}

// telling are the arguments that say what a call does. If a mask is not 0, only its
// bits are used.
var telling = map[string]struct {
	arg  int
	mask uint64
}{
	"arch_prctl":  {arg: 0},
	"bpf":         {arg: 0},
	"clone":       {arg: 0, mask: newNamespaces},
	"fcntl":       {arg: 1},
	"fcntl64":     {arg: 1},
	"ioctl":       {arg: 1},
	"keyctl":      {arg: 0},
	"personality": {arg: 0},
	"prctl":       {arg: 0},
	"ptrace":      {arg: 0},
	"seccomp":     {arg: 0},
	"setns":       {arg: 1},
	"socket":      {arg: 0},
	"socketcall":  {arg: 0},
	"socketpair":  {arg: 0},
	"syslog":      {arg: 0},
	"unshare":     {arg: 0},
}

// newNamespaces are the flags of clone(2) that create namespaces: the mask that the
// profiles of Docker and Podman use.
const newNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER |
	unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWCGROUP

// maxValues is how many values of an argument a profile distinguishes. If there are
// more, the call is allowed with any value.
const maxValues = 100

// maxNumbers is how many calls without a name are reported individually.
const maxNumbers = 10

// always are calls that any process may have to make, depending on timing: on a signal,
// a stop, an exit.
var always = []string{"execve", "exit", "exit_group", "restart_syscall", "rt_sigreturn"}

// Call records a call of an architecture given by its AUDIT_ARCH value.
func (r *Recording) Call(audit, nr uint32, args [6]uint64) {
	if nr == skipped {
		return
	}
	i := slices.IndexFunc(arches, func(a *Arch) bool {
		return a.Audit == audit && (a == X32) == (audit == X86_64.Audit && nr&x32Bit != 0)
	})
	if i < 0 {
		r.note(fmt.Sprintf("a call of the unknown architecture %#x is skipped", audit))
		return
	}
	a := arches[i]
	name, ok := r.name(a, nr)
	if !ok {
		r.unnamed(fmt.Sprintf("call %d of %s is skipped: it has no name, and a profile contains only names", nr, a.Name))
		return
	}
	if name == "clone" {
		r.Cloned(args[0])
	}
	r.Add(a, name, args[telling[name].arg])
}

// Cloned checks the flags of a clone3(2), which are not in its arguments; Call checks
// those of a clone(2).
func (r *Recording) Cloned(flags uint64) {
	if flags&unix.CLONE_UNTRACED != 0 {
		r.note("a process was created with CLONE_UNTRACED: its calls are not recorded")
	}
}

// Add records a call by its name and the value of the distinguishing argument, if there
// is one.
func (r *Recording) Add(a *Arch, name string, value uint64) {
	if !slices.Contains(r.arches, a) {
		r.arches = append(r.arches, a)
	}
	values, seen := r.calls[name]
	arg, tells := telling[name]
	switch {
	case seen && values == nil:
	case !tells:
		r.any(name)
	default:
		taken, _ := a.argument(name, arg.arg)
		value &= taken.lookedAt()
		if arg.mask != 0 {
			value &= arg.mask
		}
		if !seen {
			values = map[uint64]bool{}
			r.set(name, values)
		}
		values[value] = true
		if len(values) > maxValues {
			r.note(fmt.Sprintf("%s was called with more than %d values of argument %d: it is allowed with any", name, maxValues, arg.arg))
			r.any(name)
		}
	}
}

func (r *Recording) any(name string) { r.set(name, nil) }

func (r *Recording) set(name string, values map[uint64]bool) {
	if r.calls == nil {
		r.calls = map[string]map[uint64]bool{}
	}
	r.calls[name] = values
}

// note reports whether the text is new.
func (r *Recording) note(text string) bool {
	if slices.Contains(r.notes, text) {
		return false
	}
	r.notes = append(r.notes, text)
	return true
}

// unnamed is note for a call given by number. There can be too many of these to report
// all.
func (r *Recording) unnamed(text string) {
	switch {
	case r.numbers < maxNumbers:
		if r.note(text) {
			r.numbers++
		}
	case !slices.Contains(r.notes, text):
		r.note("calls by further numbers without a name are skipped")
	}
}

func (r *Recording) name(a *Arch, nr uint32) (string, bool) {
	if r.names == nil {
		r.names = map[*Arch]map[uint32]string{}
	}
	names := r.names[a]
	if names == nil {
		names = make(map[uint32]string, len(a.table))
		for _, c := range a.table {
			names[c.nr] = c.name
		}
		r.names[a] = names
	}
	name, ok := names[nr]
	return name, ok
}

// Notes report what the profile cannot express, or what could not be recorded.
func (r *Recording) Notes() []string {
	notes := slices.Clone(r.notes)
	for _, n := range []struct{ call, text string }{
		{"io_uring_setup", "io_uring is used: operations through it are not system calls, so they are neither recorded nor stopped by a filter"},
		{"ptrace", "ptrace(2) is used: it fails for a process that is already traced, so what would follow is not recorded"},
	} {
		if _, ok := r.calls[n.call]; ok {
			notes = append(notes, n.text)
		}
	}
	return notes
}

// Profile writes the recording as a profile: what was recorded is allowed, and calls
// that any process may have to make; all others fail with EPERM. The same recording
// always gives the same bytes. native is the machine's architecture.
func (r *Recording) Profile(native *Arch) ([]byte, error) {
	perm := uint(unix.EPERM)
	p := specs.LinuxSeccomp{DefaultAction: specs.ActErrno, DefaultErrnoRet: &perm}
	plain := slices.Clone(always)
	if _, ok := r.calls["clone3"]; ok && r.calls["clone"] != nil {
		r.any("clone") // a condition on it would have no effect
	}
	for _, a := range arches {
		if a != native && !slices.Contains(r.arches, a) {
			continue
		}
		p.Architectures = append(p.Architectures, specs.Arch(a.OCI))
		if a.bits == 32 {
			plain = append(plain, "sigreturn")
		}
	}
	for name, values := range r.calls {
		if values == nil {
			plain = append(plain, name)
		}
	}
	slices.Sort(plain)
	p.Syscalls = []specs.LinuxSyscall{{Names: slices.Compact(plain), Action: specs.ActAllow}}
	for _, name := range slices.Sorted(maps.Keys(r.calls)) {
		arg := telling[name]
		for _, v := range slices.Sorted(maps.Keys(r.calls[name])) {
			cond := specs.LinuxSeccompArg{Index: uint(arg.arg), Value: v, Op: specs.OpEqualTo}
			if arg.mask != 0 {
				cond.Value, cond.ValueTwo, cond.Op = arg.mask, v, specs.OpMaskedEqual
			}
			p.Syscalls = append(p.Syscalls, specs.LinuxSyscall{Names: []string{name}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{cond}})
		}
	}
	b, err := json.MarshalIndent(p, "", "  ")
	return append(b, '\n'), err
}

// ErrNotRecorded is the error of [Recording.Merge] for anything that is not a profile
// written by [Recording.Profile].
var ErrNotRecorded = errors.New("not a profile of recorded calls")

// An UnknownCallError is the error of [Recording.Merge] for a name that is not a system
// call.
type UnknownCallError string

func (e UnknownCallError) Error() string { return fmt.Sprintf("there is no system call %q", string(e)) }

// Merge adds what a profile written by [Recording.Profile] allows. Any other profile is
// an error: calls cannot be added without changing what its rules mean together.
func (r *Recording) Merge(data []byte) error {
	var p specs.LinuxSeccomp
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if dec.Decode(&p) != nil {
		return ErrNotRecorded
	}
	if _, err := dec.Token(); err != io.EOF || checkKeys(data) != nil {
		return ErrNotRecorded
	}
	if p.DefaultAction != specs.ActErrno || p.DefaultErrnoRet == nil || *p.DefaultErrnoRet != uint(unix.EPERM) ||
		len(p.Flags) > 0 || p.ListenerPath != "" || p.ListenerMetadata != "" || len(p.Architectures) == 0 {
		return ErrNotRecorded
	}
	var list []*Arch
	for _, name := range p.Architectures {
		i := slices.IndexFunc(arches, func(a *Arch) bool { return a.OCI == string(name) })
		if i < 0 {
			return ErrNotRecorded
		}
		list = append(list, arches[i])
	}
	for _, s := range p.Syscalls {
		if err := mergeable(s); err != nil {
			return err
		}
	}
	for _, a := range list {
		if !slices.Contains(r.arches, a) {
			r.arches = append(r.arches, a)
		}
	}
	for _, s := range p.Syscalls {
		for _, name := range s.Names {
			switch {
			case len(s.Args) == 0:
				r.any(name)
			case s.Args[0].Op == specs.OpMaskedEqual:
				r.Add(list[0], name, s.Args[0].ValueTwo)
			default:
				r.Add(list[0], name, s.Args[0].Value)
			}
		}
	}
	return nil
}

// mergeable returns an error if the rule is not one that [Recording.Profile] writes.
func mergeable(s specs.LinuxSyscall) error {
	if s.Action != specs.ActAllow || s.ErrnoRet != nil || len(s.Args) > 1 || len(s.Args) == 1 && len(s.Names) != 1 {
		return ErrNotRecorded
	}
	for _, name := range s.Names {
		if !Known(name) {
			return UnknownCallError(name)
		}
	}
	for _, a := range s.Args {
		arg, tells := telling[s.Names[0]]
		v, ones := a.Value, uint64(0)
		for _, arch := range arches {
			if taken, ok := arch.argument(s.Names[0], arg.arg); ok {
				ones |= taken.lookedAt()
			}
		}
		want := specs.OpEqualTo
		if arg.mask != 0 {
			want, v, ones = specs.OpMaskedEqual, a.ValueTwo, arg.mask
		}
		if !tells || a.Index != uint(arg.arg) || a.Op != want || v&^ones != 0 ||
			arg.mask != 0 && a.Value != arg.mask || arg.mask == 0 && a.ValueTwo != 0 {
			return ErrNotRecorded
		}
	}
	return nil
}

// Len is the number of recorded calls, by name.
func (r *Recording) Len() int { return len(r.calls) }

// String lists the names.
func (r *Recording) String() string {
	return strings.Join(slices.Sorted(maps.Keys(r.calls)), " ")
}
