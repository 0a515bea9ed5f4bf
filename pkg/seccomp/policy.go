package seccomp

import (
	"errors"
	"fmt"
	"runtime"
	"slices"

	"hk/pkg/filter"
	"hk/pkg/host"

	"golang.org/x/sys/unix"
)

// A loaded filter is a program, and the policy that it was compiled from, if that was
// needed or is requested.
type loaded struct {
	code   []unix.SockFilter // nil if none is to be loaded
	policy *filter.Policy
	notes  []string
}

// flags are the flags for loading a filter.
func (f *Filter) flags(fl loaded) (flags uint64) {
	if fl.policy != nil {
		flags = fl.policy.Flags
	}
	if f.LogDenied {
		flags |= unix.SECCOMP_FILTER_FLAG_LOG
	}
	return flags
}

// asIs reports whether nothing changes the profile.
func (f *Filter) asIs() bool {
	return len(f.Rules) == 0 && f.Default == nil && len(f.Arches) == 0
}

// loads reports whether there is a filter to be loaded.
func (f *Filter) loads() bool {
	return f.Learn == "" && (f.BPF != "" || f.profile() != "none" || !f.asIs())
}

// filter returns what to load for a payload with these capabilities.
func (f *Filter) filter(caps uint64) (fl loaded, err error) {
	if filter.Native(runtime.GOARCH) == nil {
		return fl, errors.New("there is no system call table for this architecture")
	}
	if f.BPF != "" {
		return f.ready()
	}
	name := f.profile()
	asIs := f.asIs()
	t := thisTarget(caps)
	if filter.IsBuiltin(name) && asIs && !f.Prints() {
		fl.code, err = filter.BuiltinFilter(name, t)
		return fl, err
	}
	if !f.loads() {
		return fl, nil
	}
	if t.Arches, err = f.arches(t.Arch); err != nil {
		return fl, err
	}
	if fl.policy, fl.notes, err = f.base(t); err == nil {
		err = fl.policy.Check()
	}
	if err != nil {
		return fl, fmt.Errorf("--profile %s: %w", name, err)
	}
	for i, n := range fl.notes {
		fl.notes[i] = fmt.Sprintf("--profile %s: %s", name, n)
	}
	if err := f.amend(fl.policy); err != nil {
		return fl, err
	}
	remarks, err := f.remarks(fl.policy)
	if err != nil {
		return fl, err
	}
	fl.notes = append(fl.notes, remarks...)
	fl.code, err = filter.Compile(fl.policy)
	return fl, err
}

func (f *Filter) profile() string {
	switch f.Profile {
	case "":
		return "podman"
	case "unconfined": // as container engines call it
		return "none"
	}
	return f.Profile
}

// thisTarget is this machine, for a payload with these capabilities.
func thisTarget(caps uint64) filter.Target {
	return filter.Target{Arch: filter.Native(runtime.GOARCH), Caps: caps, Kernel: kernelAtLeast}
}

// arches are the architectures given, and the native one; nil if none is given.
func (f *Filter) arches(native *filter.Arch) ([]*filter.Arch, error) {
	if len(f.Arches) == 0 {
		return nil, nil
	}
	list := []*filter.Arch{native}
	for _, a := range f.Arches {
		if !native.Runs(a) {
			return nil, fmt.Errorf("--arch %s: this machine cannot run programs of this architecture", a.Name)
		}
		if !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	return list, nil
}

// base is the policy of the profile.
func (f *Filter) base(t filter.Target) (p *filter.Policy, notes []string, err error) {
	t.Default = f.Default
	switch name := f.profile(); name {
	case "podman", "docker":
		p, err = filter.Builtin(name, t)
		return p, nil, err
	case "audit":
		p = filter.Audit(t.Arch)
	case "none":
		p = &filter.Policy{Default: filter.Allow, Newer: filter.Allow, Arches: []*filter.Arch{t.Arch}}
	default:
		data, err := host.ReadInput(f.Profile, maxProfile)
		if err != nil {
			return nil, nil, err
		}
		return filter.ReadProfile(data, t)
	}
	if t.Arches != nil {
		p.Arches = t.Arches
	}
	return p, nil, nil
}

// amend applies the flags on top of the policy of the profile.
func (f *Filter) amend(p *filter.Policy) error {
	err := p.Override(f.Rules, f.Default)
	var of *filter.OverrideError
	if errors.As(err, &of) {
		return fmt.Errorf("%s: %w", ruleFlag(f.Rules[of.Index]), of.Err)
	}
	return err
}

// remarks report the gaps that the rules of the flags, and of a file, leave. A rule
// that denies only calls that do not exist here is an error: it has no effect.
func (f *Filter) remarks(p *filter.Policy) (notes []string, err error) {
	for _, r := range f.Rules {
		absent := p.Absent(r)
		for _, name := range absent {
			notes = append(notes, fmt.Sprintf("%s: %s has no %s(2)", ruleFlag(r), archText(p.Arches), name))
		}
		if len(absent) > 0 && len(absent) == len(r.Calls) {
			return nil, errors.New(notes[len(notes)-len(absent)])
		}
	}
	for _, m := range p.Remarks(func(o filter.Origin) bool {
		_, entry := o.Entry()
		return o != 0 && !(entry && filter.IsBuiltin(f.profile()))
	}) {
		if text := f.written(m.Origin) + ": " + m.Text; !slices.Contains(notes, text) {
			notes = append(notes, text)
		}
	}
	return notes, nil
}

// written says where a rule was given.
func (f *Filter) written(o filter.Origin) string {
	if i, ok := o.Override(); ok {
		return ruleFlag(f.Rules[i])
	}
	i, _ := o.Entry()
	return fmt.Sprintf("--profile %s: syscalls[%d]", f.profile(), i)
}

// ready is the filter in a file. Its author is responsible for its actions, except for
// one that no process here could answer.
func (f *Filter) ready() (fl loaded, err error) {
	read := func() ([]byte, error) { return host.ReadInput(f.BPF, maxProfile) }
	if fd, ok := host.FDName(f.BPF); ok {
		read = func() ([]byte, error) { return host.ReadFD(fd) }
	}
	data, err := read()
	if err == nil {
		fl.code, err = filter.Decode(data)
	}
	if err != nil {
		return fl, fmt.Errorf("--bpf %s: %w", f.BPF, err)
	}
	if pc, ok := filter.Notifies(fl.code); ok {
		return fl, fmt.Errorf("--bpf %s: instruction %d: SECCOMP_RET_USER_NOTIF: there is no process to notify", f.BPF, pc)
	}
	if !filter.LooksAtArch(fl.code) {
		fl.notes = []string{fmt.Sprintf("--bpf %s: the filter does not check the architecture: calls of another one can bypass it", f.BPF)}
	}
	return fl, nil
}

// kernelAtLeast compares the version of this kernel with a minimum.
func kernelAtLeast(major, minor uint64) bool {
	v, _, ok := host.Kernel()
	return ok && v.AtLeast(host.Version{Major: int(major), Minor: int(minor)})
}
