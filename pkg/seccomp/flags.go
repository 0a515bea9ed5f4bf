package seccomp

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"hk/pkg/getopt"

	"golang.org/x/sys/unix"
)

// Flags binds f to the flags of hk-seccomp(1).
func (f *Filter) Flags(fs *getopt.Flags) {
	alone := func(bpf bool) error {
		if bpf && (f.Profile != "" || len(f.Rules) > 0 || f.Default != nil || len(f.Arches) > 0) || !bpf && f.BPF != "" {
			return errors.New("--bpf takes a filter as it is: no profile and no rules besides")
		}
		return nil
	}
	fs.String("profile", "", func(v string) error {
		if _, ok := builtins(v); !ok && v != "audit" && v != "none" && v != "-" && !strings.HasSuffix(v, ".json") && !strings.Contains(v, "/") {
			return errors.New("not podman, docker, audit, none or a file, whose name ends in .json or has a slash")
		}
		f.Profile = v
		return alone(false)
	})
	for name, act := range map[string]Action{"allow": Allow, "deny": Errno(unix.EPERM), "kill": KillProcess, "log": Log} {
		fs.String(name, "", func(v string) error {
			r, err := parseRule(v, act)
			if err != nil {
				return err
			}
			f.Rules = append(f.Rules, r)
			return alone(false)
		})
	}
	fs.String("default", "", func(v string) error {
		act, err := ParseAction(v)
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
	fs.String("dump", "", func(v string) error {
		if v != "bpf" && v != "asm" && v != "json" {
			return errors.New("not bpf, asm or json")
		}
		f.Dump = v
		return nil
	})
	f.learnFlag(fs)
	fs.Bool("allow-new-privs", "", &f.AllowNewPrivs)
}

// setArches reads a list of architectures, each of which counts once.
func (f *Filter) setArches(v string) error {
	f.Arches = nil
	for _, name := range getopt.List(v) {
		a, err := parseArch(name)
		if err != nil {
			return err
		}
		if !slices.Contains(f.Arches, a) {
			f.Arches = append(f.Arches, a)
		}
	}
	return nil
}

// parseRule reads the value of a flag that gives an action to calls. Behind those
// of --deny may come an errno.
func parseRule(text string, act Action) (FlagRule, error) {
	if act == Errno(unix.EPERM) {
		if i := strings.LastIndexByte(text, ':'); i >= 0 {
			e, err := parseErrno(text[i+1:])
			if err != nil {
				return FlagRule{}, err
			}
			text, act = text[:i], Errno(e)
		}
	}
	list, err := ParseSelections(text)
	if err != nil {
		return FlagRule{}, err
	}
	for _, s := range list {
		if s.Name[0] != '@' && !exists(s.Name) {
			return FlagRule{}, fmt.Errorf("there is no system call %q", s.Name)
		}
	}
	return FlagRule{act, list}, nil
}

// parseArch reads a name of libseccomp, or one that systemd has besides.
func parseArch(name string) (*Arch, error) {
	switch name {
	case "native":
		if a := Native(runtime.GOARCH); a != nil {
			return a, nil
		}
	case "x86-64":
		return X86_64, nil
	case "arm64":
		return AArch64, nil
	}
	for _, a := range arches {
		if a.Name == name {
			return a, nil
		}
	}
	return nil, fmt.Errorf("%q is not x86_64, x86, x32, aarch64, arm or native", name)
}

// String is the rule as a flag.
func (r FlagRule) String() string {
	flag, errno, _ := strings.Cut(flagText(r.Action), ":")
	list := selectionsText(r.Selections)
	if errno != "" {
		list += ":" + errno
	}
	return "--" + flag + "=" + list
}

// Args prints f as flags.
func (f *Filter) Args() []string {
	var args []string
	add := func(flag, value string) {
		if value != "" {
			args = append(args, "--"+flag+"="+value)
		}
	}
	add("profile", f.Profile)
	for _, r := range f.Rules {
		args = append(args, r.String())
	}
	if f.Default != nil {
		add("default", flagText(*f.Default))
	}
	add("arch", archText(f.Arches))
	add("bpf", f.BPF)
	add("dump", f.Dump)
	add("learn", f.Learn)
	if f.AllowNewPrivs {
		args = append(args, "--allow-new-privs")
	}
	return args
}
