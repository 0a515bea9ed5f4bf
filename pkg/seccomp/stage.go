package seccomp

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"

	"hk/internal/vis"
	"hk/pkg/host"
	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// Kind is hk-seccomp.
var Kind = stage.Kind{
	Name: "hk-seccomp",
	New:  func() stage.Stage { return &Filter{} },
	Usage: `hk-seccomp [flags] [--] NEXT [args...]: filter system calls

 --profile NAME           podman (default), docker: what they allow to a container
                          audit: log every call; none: no filter
 --profile FILE.json      a profile of the Open Container Initiative
Rules before those of the profile; the first that fits counts
 --allow LIST             --deny LIST[:ERRNO]  (EPERM)
 --kill LIST              --log LIST           allow, and log
 LIST is of names, groups of systemd (@clock) and name(arg0==1,arg1&0xf==2)
 --default ACTION         for all others: allow, deny[:ERRNO], kill or log
 --arch LIST              x86_64, x86, x32, aarch64, arm: others are killed

 --bpf FILE               a ready filter: an array of struct sock_filter
 --dump bpf|asm|json      print the filter, run nothing
 --learn FILE             filter nothing; write the profile that NEXT needs
 --allow-new-privs        do not set no_new_privs; needs CAP_SYS_ADMIN
`,
}

// Filter is the settings of hk-seccomp.
type Filter struct {
	// Profile is podman, docker, audit, none, or else a file, of which "-" is
	// standard input. Empty, it is podman, or nothing if BPF is set.
	Profile string
	// Rules come before those of the profile.
	Rules []FlagRule
	// Default is the profile's, if nil.
	Default *Action
	// Arches are those whose calls are looked at, besides the machine's own; if
	// there is none, those of the profile.
	Arches []*Arch
	// BPF is a file with a ready filter, instead of all of these.
	BPF string
	// Dump is bpf, asm or json to print the filter.
	Dump string
	// Learn is a file to which the profile is written that the payload needs; no
	// filter is loaded then.
	Learn string
	// AllowNewPrivs leaves no_new_privs as it is.
	AllowNewPrivs bool
}

// A FlagRule is an action for selected calls.
type FlagRule struct {
	Action     Action
	Selections []Selection
}

// Plan adds the load of the filter. A profile's conditions are evaluated for
// the capabilities that the payload will be able to have.
func (f *Filter) Plan(s *stage.State) error {
	if f.Learn != "" {
		f.planLearn(s)
		return nil
	}
	fl, err := f.filter(s.PayloadCaps())
	if err != nil {
		return err
	}
	if !f.AllowNewPrivs && !s.NoNewPrivs {
		s.SetNoNewPrivs()
	}
	s.Note(fl.notes...)
	if fl.code == nil {
		return nil
	}
	load := plan.SeccompFilter(fl.code, fl.flags())
	if stopped(s, load) || s.Host.FilterByPrctl() {
		if by := plan.SeccompByPrctl(fl.code); !stopped(s, by) {
			if load = by; fl.flags() != 0 {
				return fmt.Errorf("--profile %s: flags: a filter may deny seccomp(2), and prctl(2) takes none", f.profile())
			}
		}
	}
	s.For(f.flag())
	s.Add(load)
	s.Filters = append(s.Filters, fl.code)
	s.Unheard = s.Unheard || s.Next.Stage && slices.ContainsFunc(toBeHeard[:], func(name string) bool {
		_, some, _ := denied(fl.code, name)
		return some
	})
	s.AtEnd(func() error { return f.checkRest(s, load, fl) })
	return nil
}

// flag is what asks for the filter, or "".
func (f *Filter) flag() string {
	switch {
	case f.BPF != "":
		return "--bpf " + f.BPF
	case len(f.Rules) > 0:
		return f.Rules[0].String()
	case f.Profile != "":
		return "--profile " + f.Profile
	}
	return ""
}

// Needs implements stage.Stage. Who learns attaches to the child, and is the last: a
// stage after it would be learned too.
func (f *Filter) Needs() stage.Needs {
	n := stage.Needs{Filters: true}
	if f.Learn != "" {
		n.Supervisor, n.Attach, n.Last = true, f.follow, true
	}
	return n
}

// Prints reports whether --dump is set.
func (f *Filter) Prints() bool { return f.Dump != "" }

// Print writes the filter that would be loaded.
func (f *Filter) Print(s *stage.State, w io.Writer) error {
	if f.Learn != "" {
		return errLearnAlone
	}
	fl, err := f.filter(s.PayloadCaps())
	if err != nil {
		return err
	}
	if fl.code == nil {
		return errors.New("--dump: there is no filter to print")
	}
	var out []byte
	switch f.Dump {
	case "bpf":
		out = Encode(fl.code)
	case "asm":
		out = assembly(fl.code, fl.policy)
	case "json":
		if fl.policy == nil {
			return errors.New("--dump json: a ready filter is no profile any more")
		}
		if out, err = MarshalProfile(fl.policy); err != nil {
			return fmt.Errorf("--dump json: %w", err)
		}
		out = vis.JSON(out)
	}
	_, err = w.Write(out)
	return err
}

// A filter is a program, and the policy that it was made of, if that was needed
// or is wanted.
type filter struct {
	code   []unix.SockFilter // nil if none is to be loaded
	policy *Policy
	notes  []string
}

// flags are those with which to load it.
func (fl filter) flags() uint64 {
	if fl.policy == nil {
		return 0
	}
	return fl.policy.Flags
}

func (f *Filter) filter(caps uint64) (fl filter, err error) {
	if Native(runtime.GOARCH) == nil {
		return fl, errors.New("there is no system call table for this architecture")
	}
	if f.BPF != "" {
		return f.ready()
	}
	name := f.profile()
	asIs := len(f.Rules) == 0 && f.Default == nil && len(f.Arches) == 0
	if _, ok := builtins(name); ok && asIs && !f.Prints() {
		fl.code, err = BuiltinFilter(name, caps)
		return fl, err
	}
	if name == "none" && asIs {
		return fl, nil
	}
	t := thisTarget(caps)
	if _, err := f.arches(t.Arch); err != nil {
		return fl, err
	}
	if fl.policy, fl.notes, err = f.base(t); err == nil {
		err = fl.policy.check()
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
	fl.code, err = Compile(fl.policy)
	return fl, err
}

func (f *Filter) profile() string {
	if f.Profile == "" {
		return "podman"
	}
	return f.Profile
}

// base is the policy of the profile. The first of its architectures is the
// target's.
func (f *Filter) base(t Target) (p *Policy, notes []string, err error) {
	other := instead{byDefault: f.Default}
	if other.arches, err = f.arches(t.Arch); err != nil {
		return nil, nil, err
	}
	switch name := f.profile(); name {
	case "podman", "docker":
		p, err = builtinPolicy(name, t, other)
		return p, nil, err
	case "audit":
		return audit(t.Arch), nil, nil
	case "none":
		return &Policy{Default: Allow, Newer: Allow, Arches: []*Arch{t.Arch}}, nil, nil
	}
	data, err := host.ReadInput(f.Profile, maxProfile)
	if err != nil {
		return nil, nil, err
	}
	return readProfile(data, t, other)
}

// ready is the filter of a file. What its actions are is its author's concern,
// but for one that nobody here could answer.
func (f *Filter) ready() (fl filter, err error) {
	data, err := host.ReadInput(f.BPF, maxProfile)
	if err == nil {
		fl.code, err = Decode(data)
	}
	if err != nil {
		return fl, fmt.Errorf("--bpf %s: %w", f.BPF, err)
	}
	looks := false
	for pc, i := range fl.code {
		if i.Code == unix.BPF_RET|unix.BPF_K && i.K&unix.SECCOMP_RET_ACTION_FULL == unix.SECCOMP_RET_USER_NOTIF {
			return fl, fmt.Errorf("--bpf %s: instruction %d: SECCOMP_RET_USER_NOTIF: there is no one to notify", f.BPF, pc)
		}
		looks = looks || i.Code == unix.BPF_LD|unix.BPF_W|unix.BPF_ABS && i.K == offsetArch
	}
	if !looks {
		fl.notes = []string{fmt.Sprintf("--bpf %s: the filter does not look at the architecture: calls by another one pass under the wrong names", f.BPF)}
	}
	return fl, nil
}

// arches are those that are given, and the machine's own; nil if none is given.
func (f *Filter) arches(native *Arch) ([]*Arch, error) {
	if len(f.Arches) == 0 {
		return nil, nil
	}
	list := []*Arch{native}
	for _, a := range f.Arches {
		if !native.runs(a) {
			return nil, fmt.Errorf("--arch %s: this machine does not run its programs", a.Name)
		}
		if !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	return list, nil
}

// amend puts what the flags say on top of the policy of the profile.
func (f *Filter) amend(p *Policy) error {
	if list, err := f.arches(p.Arches[0]); err != nil {
		return err
	} else if list != nil {
		p.Arches = list
	}
	var rules []Rule
	for i, r := range f.Rules {
		for _, sel := range r.Selections {
			names := []string{sel.Name}
			if sel.Name[0] == '@' {
				var err error
				if names, err = Group(sel.Name); err != nil {
					return err
				}
			}
			if err := p.checkConds(sel); err != nil {
				return fmt.Errorf("%s: %s: %w", r, sel.Name, err)
			}
			rules = append(rules, Rule{Names: names, Action: r.Action, Conds: sel.Conds, Origin: Origin(-1 - i)})
		}
	}
	rules = multiplex(p.withTwins(rules, nil))
	p.Rules = append(rules, p.Rules...)
	if f.Default != nil {
		p.Default, p.Newer = *f.Default, *f.Default
		if p.Default.denies() {
			p.Newer = Errno(unix.ENOSYS)
		}
		// Who gives the default means all the calls that there are here: the
		// newest is named, so that only what is still newer is that.
		newest := Rule{Action: p.Default}
		for _, a := range p.Arches {
			newest.Names = append(newest.Names, a.newest())
		}
		slices.Sort(newest.Names)
		newest.Names = slices.Compact(newest.Names)
		p.Rules = append(p.Rules, newest)
	}
	return f.checkSame(p, rules)
}

// audit logs the calls of all architectures that the machine runs.
func audit(native *Arch) *Policy {
	p := &Policy{Default: Log, Newer: Log}
	for _, a := range arches {
		if native.runs(a) {
			p.Arches = append(p.Arches, a)
		}
	}
	return p
}

func thisTarget(caps uint64) Target {
	return Target{
		Arch: Native(runtime.GOARCH),
		Caps: func(name string) bool {
			for c := range 64 {
				if plan.CapName(c) == name {
					return caps>>c&1 != 0
				}
			}
			return false
		},
		Kernel: func(major, minor uint64) bool {
			v, _, ok := host.Kernel()
			return ok && v.AtLeast(host.Version{Major: int(major), Minor: int(minor)})
		},
	}
}

// exists reports whether a name is or was one of a call.
func exists(name string) bool { return Known(name) || slices.Contains(gone, name) }

// archText is a list of architectures as --arch takes it.
func archText(list []*Arch) string {
	names := make([]string, len(list))
	for i, a := range list {
		names[i] = a.Name
	}
	return strings.Join(names, ",")
}
