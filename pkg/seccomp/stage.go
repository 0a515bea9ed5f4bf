package seccomp

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"hk/internal/vis"
	"hk/pkg/filter"
	"hk/pkg/host"
	"hk/pkg/plan"
	"hk/pkg/stage"
)

// Kind is hk-seccomp.
var Kind = stage.Kind{
	Name: "hk-seccomp",
	New:  func() stage.Stage { return &Filter{} },
	Usage: `hk-seccomp [flags] [--] NEXT [args...]: filter system calls

 --profile podman|docker  what they allow to a container; podman is the default
 --profile audit|none     log every call; no filter
 --profile FILE.json      a profile of the Open Container Initiative
Rules before those of the profile; the first that fits counts
 --allow LIST             --deny LIST[:ERRNO]  (EPERM; 0 is success)
 --kill LIST              --log LIST           allow, and log
 --kill-thread LIST       --trap LIST, --trace LIST   SIGSYS; a tracer decides
 --restrict namespaces,address-families=AF_UNIX+...,suid-sgid,realtime,
            write-execute,personality         in all ways; before all rules
 LIST is of names, groups of systemd (@clock) and name(arg0==1,arg1&0xf==2)
 --default ACTION         for all others, as one of these: deny:ERRNO, kill
 --arch LIST              x86_64, x86, x32, aarch64, arm: others are killed
 --log-denied             log what is denied

 --bpf FILE               a ready filter: an array of struct sock_filter
 --dump bpf|asm|json      print the filter, run nothing
 --learn FILE             filter nothing; write the profile that NEXT needs
 --allow-new-privs        do not set no_new_privs; needs CAP_SYS_ADMIN
`,
	Rules: []stage.Rule{
		{When: "with a filter", Is: func(s stage.Stage, _ *host.Host) bool { return s.(*Filter).loads() }, Takes: stage.Calls},
	},
}

// Filter has the settings of hk-seccomp.
type Filter struct {
	// Profile is podman, docker, audit, none, for which unconfined is another name, or a
	// file, where "-" is standard input.
	// "" means podman, or nothing if BPF is set.
	Profile string
	// Rules take precedence over those of the profile.
	Rules []filter.Override
	// Default is nil for the profile's default.
	Default *filter.Action
	// Arches are the architectures to which the rules apply, in addition to the native
	// one; if it is empty, those of the profile.
	Arches []*filter.Arch
	// BPF is a file with a compiled filter, instead of all of these; fd:N is a descriptor.
	BPF string
	// Dump is bpf, asm or json to print the filter.
	Dump string
	// Learn is a file to which a profile is written that allows what the payload needs;
	// no filter is loaded then.
	Learn string
	// LogDenied has the kernel log every call that the filter does not allow.
	LogDenied bool
	// AllowNewPrivs does not set no_new_privs.
	AllowNewPrivs bool
}

// Plan adds the loading of the filter. A profile's conditions are evaluated for the
// capabilities that the payload will be able to have.
func (f *Filter) Plan(s *stage.State) error {
	if f.Learn != "" {
		return f.planLearn(s)
	}
	fl, err := f.filter(s.PayloadCaps())
	if err != nil {
		return err
	}
	if f.AllowNewPrivs {
		if err := s.AllowNewPrivs(); err != nil {
			return err
		}
	} else if !s.NoNewPrivs {
		s.SetNoNewPrivs(false)
	}
	s.Note(fl.notes...)
	if fl.code == nil {
		if f.LogDenied {
			return errors.New("--log-denied: there is no filter that denies anything")
		}
		return nil
	}
	if _, ok := filter.Feigns(fl.code); ok && s.Next.Stage {
		return fmt.Errorf("%s: a call that only seems to succeed may be one of the next stage, which would not notice", f.flag())
	}
	load := plan.SeccompFilter(fl.code, f.flags(fl))
	if stopped(s, load) || s.Host.FilterByPrctl() {
		if by := plan.SeccompByPrctl(fl.code); !stopped(s, by) {
			switch load = by; {
			case f.LogDenied:
				return errors.New("--log-denied: a filter may deny seccomp(2), and prctl(2) takes no flags")
			case f.flags(fl) != 0:
				return fmt.Errorf("--profile %s: flags: a filter may deny seccomp(2), and prctl(2) takes none", f.profile())
			}
		}
	}
	s.For(f.flag())
	s.Add(load)
	s.Filters, s.Loads = append(s.Filters, fl.code), append(s.Loads, load)
	s.Culprits = append(s.Culprits, func(c plan.Call, pc int) string {
		return f.culprit(fl, filter.Call(c), filter.Answer{PC: pc})
	})
	s.Unheard = s.Unheard || s.Next.Stage && slices.ContainsFunc(toBeHeard[:], func(name string) bool {
		_, some, _ := denied(fl.code, name)
		return some
	})
	s.AtEnd(func() error { return f.checkRest(s, load, fl) })
	return nil
}

// flag is the flag that asks for the filter, or "".
func (f *Filter) flag() string {
	switch {
	case f.BPF != "":
		return "--bpf " + f.BPF
	case len(f.Rules) > 0:
		return ruleFlag(f.Rules[0])
	case f.Profile != "":
		return "--profile " + f.Profile
	}
	return ""
}

// Needs implements stage.Stage. Learning attaches to the child, and must be the last
// stage: a stage after it would be recorded too.
func (f *Filter) Needs() stage.Needs {
	n := stage.Needs{Filters: f.loads() || f.Learn != ""}
	if fd, ok := host.FDName(f.BPF); ok && fd > 2 {
		n.FDs = []int{fd}
	}
	if f.Learn != "" {
		n.Supervisor, n.Attach, n.Last = true, f.addAttach, true
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
		out = filter.Encode(fl.code)
	case "asm":
		out = filter.Disassemble(fl.code, fl.policy)
	case "json":
		if fl.policy == nil {
			return errors.New("--dump json: a compiled filter cannot be printed as a profile")
		}
		if out, err = filter.MarshalProfile(fl.policy); err != nil {
			return fmt.Errorf("--dump json: %w", err)
		}
		out = vis.JSON(out)
	}
	_, err = w.Write(out)
	return err
}
