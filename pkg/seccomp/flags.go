package seccomp

import (
	"errors"
	"slices"
	"strings"

	"hk/pkg/filter"
	"hk/pkg/getopt"

	"golang.org/x/sys/unix"
)

// foreignFlag translates flags of other programs.
func foreignFlag(name string) string {
	switch name {
	case "block", "drop":
		return "--deny CALL,..."
	case "policy", "filter", "seccomp":
		return "--profile FILE, or --bpf FILE for a compiled one"
	}
	return ""
}

// Flags binds f to the flags of hk-seccomp(1).
func (f *Filter) Flags(fs *getopt.Flags) {
	fs.Foreign = foreignFlag
	alone := func(bpf bool) error {
		if bpf && (f.Profile != "" || len(f.Rules) > 0 || f.Default != nil || len(f.Arches) > 0) || !bpf && f.BPF != "" {
			return errors.New("--bpf loads a filter unchanged: it cannot be combined with a profile or rules")
		}
		return nil
	}
	fs.String("profile", "", func(v string) error {
		if !filter.IsBuiltin(v) && v != "audit" && v != "none" && v != "unconfined" && v != "-" && !strings.HasSuffix(v, ".json") && !strings.Contains(v, "/") {
			return errors.New("not podman, docker, audit, none or a file, whose name ends in .json or has a slash")
		}
		f.Profile = v
		return alone(false)
	})
	for _, act := range [...]filter.Action{filter.Allow, filter.Errno(unix.EPERM), filter.KillProcess, filter.KillThread, filter.Log, filter.Trace, filter.Trap} {
		fs.String(act.Word(), "", func(v string) error {
			r, err := filter.ParseOverride(act, v)
			if err != nil {
				return err
			}
			f.Rules = append(f.Rules, r)
			return alone(false)
		})
	}
	fs.String("restrict", "", func(v string) error {
		list, err := filter.ParseRestrictions(v)
		if err != nil {
			return err
		}
		f.Rules = append(f.Rules, list...)
		return alone(false)
	})
	fs.String("default", "", func(v string) error {
		act, err := filter.ParseAction(v)
		if err != nil {
			return err
		}
		f.Default = &act
		return alone(false)
	})
	fs.String("arch", "", func(v string) error {
		if err := f.setArches(v); err != nil {
			return err
		}
		return alone(false)
	})
	fs.String("bpf", "", func(v string) error {
		if v == "" {
			return errors.New("an empty path")
		}
		f.BPF = v
		return alone(true)
	})
	fs.String("dump", "", getopt.OneOf(&f.Dump, "bpf", "asm", "json"))
	f.learnFlag(fs)
	fs.Bool("log-denied", "", &f.LogDenied)
	fs.Bool("allow-new-privs", "", &f.AllowNewPrivs)
}

// setArches parses a list of architectures; duplicates are ignored.
func (f *Filter) setArches(v string) error {
	f.Arches = nil
	for _, name := range getopt.List(v) {
		a, err := filter.ParseArch(name)
		if err != nil {
			return err
		}
		if !slices.Contains(f.Arches, a) {
			f.Arches = append(f.Arches, a)
		}
	}
	return nil
}

// ruleFlag prints a rule as a flag.
func ruleFlag(r filter.Override) string { return "--" + r.String() }

// archText prints a list of architectures in the form that --arch accepts.
func archText(list []*filter.Arch) string {
	names := make([]string, len(list))
	for i, a := range list {
		names[i] = a.Name
	}
	return strings.Join(names, ",")
}

// Args prints f as flags.
func (f *Filter) Args() []string {
	var a getopt.Args
	a.Set("profile", f.Profile)
	for _, r := range f.Rules {
		a = append(a, ruleFlag(r))
	}
	if f.Default != nil {
		a.Set("default", f.Default.Word())
	}
	a.Set("arch", archText(f.Arches))
	a.Set("bpf", f.BPF)
	a.Set("dump", f.Dump)
	a.Set("learn", f.Learn)
	a.Bool("log-denied", f.LogDenied)
	a.Bool("allow-new-privs", f.AllowNewPrivs)
	return a
}
