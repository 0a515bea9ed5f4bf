package filter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	profiles "github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// A Target is what a profile is read for: what its conditions are evaluated against,
// and what overrides it.
type Target struct {
	// Arch is the machine's architecture: see [Native].
	Arch *Arch
	// Caps are the capabilities that the program can have, as bits by their numbers.
	Caps uint64
	// Kernel reports whether the kernel is at least that version. If it is nil, the
	// kernel is treated as older than any that a profile names.
	Kernel func(major, minor uint64) bool
	// Arches, if there are any, override the profile's.
	Arches []*Arch
	// Default, if it is not nil, overrides the profile's.
	Default *Action
}

// profile is a profile in Docker's format, with Podman's additional keys.
type profile struct {
	profiles.Seccomp
	DefaultErrno string     `json:"defaultErrno"`
	Syscalls     []*syscall `json:"syscalls"`
	// Comment and Description are for readers of the file.
	Comment     string `json:"comment"`
	Description string `json:"description"`
}

type syscall struct {
	profiles.Syscall
	Errno string `json:"errno"`
}

// ReadProfile parses a profile of the Open Container Initiative in the form of Docker
// and Podman. notes report names in it that are not Linux system calls; such a name in
// a rule that denies is an error, and so is an unknown key.
func ReadProfile(data []byte, t Target) (p *Policy, notes []string, err error) {
	if t.Arch == nil {
		return nil, nil, errors.New("a target without an architecture")
	}
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
	if t.Default != nil {
		p.Default = *t.Default
	}
	if t.Arches != nil {
		p.Arches = t.Arches
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
	p.Newer = p.Default.newer()
	rules, passed, err := settle(p.Rules, p.Default)
	if err != nil {
		return nil, nil, err
	}
	if p.Rules = rules; !p.Default.Denies() { // calls that are not named are denied
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

// loadFlags are the flags that a profile may have, and the flags for seccomp(2) that
// they need: the first needs none, because there is only one thread.
var loadFlags = [...]struct {
	name specs.LinuxSeccompFlag
	flag uint64
}{
	{"SECCOMP_FILTER_FLAG_TSYNC", 0}, {specs.LinuxSeccompFlagLog, unix.SECCOMP_FILTER_FLAG_LOG},
	{specs.LinuxSeccompFlagSpecAllow, unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW},
}

func (p *profile) flags() (flags uint64, err error) {
	if p.ListenerPath != "" || p.ListenerMetadata != "" || slices.Contains(p.Flags, specs.LinuxSeccompFlagWaitKillableRecv) {
		return 0, errors.New("listenerPath, or a flag that needs one: there is no process to notify")
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
		return nil, errors.New("architectures and archMap are mutually exclusive")
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
		case i < 0 || !native.Runs(arches[i]):
			// Calls of another architecture cannot be made on this machine.
		case !slices.Contains(list, arches[i]):
			list = append(list, arches[i])
		}
	}
	return list, nil
}

// otherArches are the names of architectures without a table here.
var otherArches = []string{
	"SCMP_ARCH_LOONGARCH64", "SCMP_ARCH_M68K", "SCMP_ARCH_MIPS", "SCMP_ARCH_MIPS64", "SCMP_ARCH_MIPS64N32",
	"SCMP_ARCH_MIPSEL", "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PARISC", "SCMP_ARCH_PARISC64",
	"SCMP_ARCH_PPC", "SCMP_ARCH_PPC64", "SCMP_ARCH_PPC64LE", "SCMP_ARCH_RISCV64", "SCMP_ARCH_S390", "SCMP_ARCH_S390X",
	"SCMP_ARCH_SH", "SCMP_ARCH_SHEB",
}
