package seccomp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	profiles "github.com/moby/profiles/seccomp"
	"github.com/moby/sys/capability"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// A Target is what a profile's conditions are evaluated against.
type Target struct {
	Arch *Arch
	// Caps are the capabilities that the payload can have, by name: "CAP_CHOWN".
	Caps func(name string) bool
	// Kernel reports whether the kernel is at least that version.
	Kernel func(major, minor uint64) bool
}

// goarch is the name that includes.arches and excludes.arches have for a native
// architecture.
func goarch(a *Arch) string {
	for _, name := range []string{"amd64", "arm64"} {
		if Native(name) == a {
			return name
		}
	}
	return ""
}

// profile is a profile as Docker writes it, with the keys that Podman's has
// besides.
type profile struct {
	profiles.Seccomp
	DefaultErrno string     `json:"defaultErrno"`
	Syscalls     []*syscall `json:"syscalls"`
}

type syscall struct {
	profiles.Syscall
	Errno string `json:"errno"`
}

// ReadProfile reads a profile of the Open Container Initiative, as Docker and
// Podman have it. notes tell of names in it that no Linux has; such a name in a
// rule that denies is an error, as is a key that is not known.
func ReadProfile(data []byte, t Target) (p *Policy, notes []string, err error) {
	return readProfile(data, t, instead{})
}

// instead is what counts and not what a profile says of it, if it is set.
type instead struct {
	byDefault *Action
	arches    []*Arch
}

func readProfile(data []byte, t Target, other instead) (p *Policy, notes []string, err error) {
	var prof profile
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&prof); err != nil {
		return nil, nil, position(data, dec, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, nil, errors.New("more than one JSON value")
	}
	if err := checkKeys(data); err != nil {
		return nil, nil, err
	}
	p = &Policy{}
	if p.Default, err = action(prof.DefaultAction, prof.DefaultErrnoRet, prof.DefaultErrno); err != nil {
		return nil, nil, fmt.Errorf("defaultAction: %w", err)
	}
	if p.Arches, err = prof.arches(t.Arch); err != nil {
		return nil, nil, err
	}
	if other.byDefault != nil {
		p.Default = *other.byDefault
	}
	if other.arches != nil {
		p.Arches = other.arches
	}
	if p.Flags, err = prof.flags(); err != nil {
		return nil, nil, err
	}
	for i, s := range prof.Syscalls {
		if s == nil {
			return nil, nil, fmt.Errorf("syscalls[%d]: null", i)
		}
		rules, n, err := s.rules(t)
		if err != nil {
			return nil, nil, fmt.Errorf("syscalls[%d]: %w", i, err)
		}
		for j := range rules {
			rules[j].Origin = Origin(i + 1)
		}
		p.Rules = append(p.Rules, rules...)
		notes = append(notes, n...)
	}
	p.Newer = p.Default
	if p.Default.denies() {
		p.Newer = Errno(unix.ENOSYS)
	}
	rules, passed, err := settle(p.Rules, p.Default)
	if err != nil {
		return nil, nil, err
	}
	if p.Rules = rules; !p.Default.denies() { // what is not named is denied
		p.Rules = p.withTwins(p.Rules, p.names())
	}
	closed, err := p.closeWays()
	return p, slices.Concat(notes, passed, closed), err
}

// position adds the line to a JSON error.
func position(data []byte, dec *json.Decoder, err error) error {
	offset := dec.InputOffset()
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &typ):
		offset = typ.Offset
	}
	if err == io.EOF {
		return errors.New("it is empty")
	}
	line := 1 + bytes.Count(data[:min(int(offset), len(data))], []byte("\n"))
	return fmt.Errorf("line %d: %s", line, strings.TrimPrefix(err.Error(), "json: "))
}

// loadFlags are what a profile may have as flags, and what seccomp(2) is given for
// them: for the first there is no need, there is one thread.
var loadFlags = [...]struct {
	name specs.LinuxSeccompFlag
	flag uint64
}{
	{"SECCOMP_FILTER_FLAG_TSYNC", 0}, {specs.LinuxSeccompFlagLog, unix.SECCOMP_FILTER_FLAG_LOG},
	{specs.LinuxSeccompFlagSpecAllow, unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW},
}

func (p *profile) flags() (flags uint64, err error) {
	if p.ListenerPath != "" || p.ListenerMetadata != "" || slices.Contains(p.Flags, specs.LinuxSeccompFlagWaitKillableRecv) {
		return 0, errors.New("listenerPath, or a flag for one: there is no one to notify")
	}
names:
	for _, name := range p.Flags {
		for _, f := range loadFlags {
			if f.name == name {
				flags |= f.flag
				continue names
			}
		}
		return 0, fmt.Errorf("flags: unknown flag %q", name)
	}
	return flags, nil
}

func (p *profile) arches(native *Arch) ([]*Arch, error) {
	if len(p.Architectures) > 0 && len(p.ArchMap) > 0 {
		return nil, errors.New("architectures and archMap exclude one another")
	}
	names := p.Architectures
	for _, m := range p.ArchMap {
		if string(m.Arch) == native.OCI {
			names = append([]specs.Arch{m.Arch}, m.SubArches...)
		}
	}
	list := []*Arch{native}
	for _, name := range names {
		i := slices.IndexFunc(arches, func(a *Arch) bool { return a.OCI == string(name) })
		switch {
		case i < 0 && !slices.Contains(otherArches, string(name)):
			return nil, fmt.Errorf("unknown architecture %q", name)
		case i < 0 || !native.runs(arches[i]):
			// Calls of another architecture cannot be made on this machine.
		case !slices.Contains(list, arches[i]):
			list = append(list, arches[i])
		}
	}
	return list, nil
}

// runs reports whether a machine of this architecture runs programs of another.
func (a *Arch) runs(b *Arch) bool {
	return a == b || a == X86_64 && (b == X86 || b == X32) || a == AArch64 && b == ARM
}

var otherArches = []string{
	"SCMP_ARCH_LOONGARCH64", "SCMP_ARCH_M68K", "SCMP_ARCH_MIPS", "SCMP_ARCH_MIPS64", "SCMP_ARCH_MIPS64N32",
	"SCMP_ARCH_MIPSEL", "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PARISC", "SCMP_ARCH_PARISC64",
	"SCMP_ARCH_PPC", "SCMP_ARCH_PPC64", "SCMP_ARCH_PPC64LE", "SCMP_ARCH_RISCV64", "SCMP_ARCH_S390", "SCMP_ARCH_S390X",
	"SCMP_ARCH_SH", "SCMP_ARCH_SHEB",
}

// rules makes the rules of an entry, none if its conditions do not hold.
func (s *syscall) rules(t Target) (rules []Rule, notes []string, err error) {
	names := s.Names
	if s.Name != "" {
		if len(names) > 0 {
			return nil, nil, errors.New("name and names exclude one another")
		}
		names = []string{s.Name}
	}
	if len(names) == 0 {
		return nil, nil, errors.New("no names")
	}
	act, err := action(s.Action, s.ErrnoRet, s.Errno)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", names[0], err)
	}
	if ok, err := s.applies(t); err != nil || !ok {
		return nil, nil, err
	}
	var there []string
	for _, name := range names {
		switch {
		case exists(name):
			there = append(there, name)
		case act.denies():
			return nil, nil, fmt.Errorf("there is no system call %q to deny", name)
		default:
			notes = append(notes, fmt.Sprintf("there is no system call %q", name))
		}
	}
	if names = there; len(names) == 0 {
		return nil, notes, nil
	}
	conds := make([]Cond, len(s.Args))
	seen := map[uint]bool{}
	repeated := false
	for i, a := range s.Args {
		if conds[i], err = condition(a); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", names[0], err)
		}
		repeated = repeated || seen[a.Index]
		seen[a.Index] = true
	}
	if !repeated {
		return []Rule{{Names: names, Action: act, Conds: conds}}, notes, nil
	}
	// Conditions on one argument are alternatives, as runc has them.
	for _, c := range conds {
		rules = append(rules, Rule{Names: names, Action: act, Conds: []Cond{c}})
	}
	return rules, notes, nil
}

// gone are calls that profiles name and that no architecture has any more, or
// that a C library made of others.
var gone = []string{"nice", "oldwait4", "swapcontext", "multiplexer", "rtas", "sysmips", "timerfd"}

func (s *syscall) applies(t Target) (bool, error) {
	for _, f := range []*profiles.Filter{s.Excludes, s.Includes} {
		if err := checkFilter(f); err != nil {
			return false, err
		}
	}
	if f := s.Excludes; f != nil {
		if slices.Contains(f.Arches, goarch(t.Arch)) || slices.ContainsFunc(f.Caps, t.Caps) {
			return false, nil
		}
		if f.MinKernel != nil && t.Kernel(f.MinKernel.Kernel, f.MinKernel.Major) {
			return false, nil
		}
	}
	if f := s.Includes; f != nil {
		if len(f.Arches) > 0 && !slices.Contains(f.Arches, goarch(t.Arch)) {
			return false, nil
		}
		if slices.ContainsFunc(f.Caps, func(c string) bool { return !t.Caps(c) }) {
			return false, nil
		}
		if f.MinKernel != nil && !t.Kernel(f.MinKernel.Kernel, f.MinKernel.Major) {
			return false, nil
		}
	}
	return true, nil
}

// goarches are the names that architectures have in conditions.
var goarches = []string{"386", "amd64", "arm", "arm64", "loong64", "loongarch64", "mips", "mips64", "mips64le", "mips64n32",
	"mips64p32", "mipsel64", "mipsle", "mips3l64n32", "ppc", "ppc64", "ppc64le", "riscv64", "s390", "s390x", "x32", "x86"}

// checkFilter refuses names that are none: a condition that never holds takes
// its rule along.
func checkFilter(f *profiles.Filter) error {
	if f == nil {
		return nil
	}
	for _, a := range f.Arches {
		if !slices.Contains(goarches, a) {
			return fmt.Errorf("unknown architecture %q in a condition", a)
		}
	}
	for _, c := range f.Caps {
		if !slices.ContainsFunc(capability.ListKnown(), func(k capability.Cap) bool { return "CAP_"+strings.ToUpper(k.String()) == c }) {
			return fmt.Errorf("unknown capability %q in a condition", c)
		}
	}
	return nil
}

// operatorNames are the names of comparisons in profiles, by Op.
var operatorNames = [...]specs.LinuxSeccompOperator{
	EQ: specs.OpEqualTo, NE: specs.OpNotEqual, LT: specs.OpLessThan, LE: specs.OpLessEqual,
	GT: specs.OpGreaterThan, GE: specs.OpGreaterEqual, MaskedEQ: specs.OpMaskedEqual,
}

func condition(a specs.LinuxSeccompArg) (Cond, error) {
	op := slices.Index(operatorNames[:], a.Op)
	if op < 0 {
		return Cond{}, fmt.Errorf("unknown operator %q", a.Op)
	}
	if a.Index > 5 {
		return Cond{}, fmt.Errorf("a call has the arguments 0 to 5, not %d", a.Index)
	}
	c := Cond{Arg: int(a.Index), Op: Op(op), Value: a.Value}
	if c.Op == MaskedEQ {
		// libseccomp masks both sides.
		c.Mask, c.Value = a.Value, a.ValueTwo&a.Value
	}
	return c, nil
}

// actions are the names of actions in profiles; the last of several is for
// reading only.
var actions = [...]actionName{
	{specs.ActAllow, Allow}, {specs.ActLog, Log}, {specs.ActTrap, Trap}, {specs.ActKillThread, KillThread},
	{specs.ActKillProcess, KillProcess}, {specs.ActTrace, Trace}, {specs.ActErrno, errnoAction}, {specs.ActKill, KillThread},
}

type actionName struct {
	name specs.LinuxSeccompAction
	act  Action
}

const errnoAction = Action(unix.SECCOMP_RET_ERRNO)

// errnoOf reads an errno as Podman has it: a name, or a number.
func errnoOf(text string) (uint, error) {
	if n, err := strconv.ParseUint(text, 10, 32); err == nil {
		return uint(n), nil
	}
	if e := errnoNumber(text); e != 0 {
		return uint(e), nil
	}
	return 0, fmt.Errorf("unknown errno %q", text)
}

// action reads an action with its data. An errno that is not given is EPERM, as
// the specification has it; of two that of Podman's key counts, as it does there.
func action(name specs.LinuxSeccompAction, ret *uint, errno string) (Action, error) {
	if name == specs.ActNotify {
		return 0, fmt.Errorf("%s: there is no one to notify", name)
	}
	act, known := Action(0), false
	for _, a := range actions {
		if a.name == name {
			act, known = a.act, true
		}
	}
	if !known {
		return 0, fmt.Errorf("unknown action %q", name)
	}
	data := uint(0)
	if act == errnoAction || act == Trace {
		data = uint(unix.EPERM)
	}
	if errno != "" {
		n, err := errnoOf(errno)
		if err != nil {
			return 0, err
		}
		ret = &n
	}
	if ret != nil {
		data = *ret
	}
	switch {
	case data > 0xffff:
		return 0, fmt.Errorf("errno %d is out of range", data)
	case act == errnoAction && (data == 0 || data > maxErrno):
		return 0, fmt.Errorf("errno %d is no failure: the call would seem to have succeeded", data)
	case data != 0 && (act == Allow || act == Log):
		return 0, fmt.Errorf("%s has no errno", name)
	}
	return act | Action(data), nil
}
