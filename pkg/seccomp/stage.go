package seccomp

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"hk/pkg/plan"
	"hk/pkg/stage"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
)

// Kind is hk-seccomp.
var Kind = stage.Kind{
	Name: "hk-seccomp",
	New:  func() stage.Stage { return &Filter{Profile: "podman"} },
	Usage: `hk-seccomp [flags] [--] NEXT [args...]: filter system calls

 --profile podman       what Podman allows to a container (default)
 --profile docker       what Docker allows
 --profile audit        allow and log every call
 --profile none         no filter
 --profile FILE.json    a profile of the Open Container Initiative
 --allow-new-privs      do not set no_new_privs; needs CAP_SYS_ADMIN
`,
}

// Filter is the settings of hk-seccomp.
type Filter struct {
	// Profile is podman, docker, audit, none, or a file name that ends in .json.
	Profile string
	// AllowNewPrivs leaves no_new_privs as it is.
	AllowNewPrivs bool
}

// Flags binds f to the flags of hk-seccomp(1).
func (f *Filter) Flags(fs *pflag.FlagSet) {
	fs.Func("profile", "", func(v string) error {
		if _, ok := builtins(v); !ok && v != "audit" && v != "none" && !strings.HasSuffix(v, ".json") {
			return fmt.Errorf("not podman, docker, audit, none or a file that ends in .json")
		}
		f.Profile = v
		return nil
	})
	fs.BoolVar(&f.AllowNewPrivs, "allow-new-privs", false, "")
}

// Args prints f as flags.
func (f *Filter) Args() []string {
	args := []string{"--profile=" + f.Profile}
	if f.AllowNewPrivs {
		args = append(args, "--allow-new-privs")
	}
	return args
}

// Plan adds the load of the filter. A profile's conditions are evaluated for
// the capabilities that the payload will be able to have.
func (f *Filter) Plan(s *stage.State) error {
	if !f.AllowNewPrivs {
		s.Add(plan.NoNewPrivs())
	}
	if f.Profile == "none" {
		return nil
	}
	code, notes, err := f.code(s.PayloadCaps())
	if err != nil {
		return fmt.Errorf("--profile %s: %w", f.Profile, err)
	}
	for _, n := range notes {
		s.Notes = append(s.Notes, fmt.Sprintf("--profile %s: %s", f.Profile, n))
	}
	s.Add(plan.SeccompFilter(code))
	s.Filtered = true
	return nil
}

func (f *Filter) code(caps uint64) (code []unix.SockFilter, notes []string, err error) {
	if Native(runtime.GOARCH) == nil {
		return nil, nil, errors.New("there is no system call table for this architecture")
	}
	var p *Policy
	switch f.Profile {
	case "podman", "docker":
		code, err = BuiltinFilter(f.Profile, caps)
		return code, nil, err
	case "audit":
		p = audit(thisTarget(caps).Arch)
	default:
		data, err := os.ReadFile(f.Profile)
		if err != nil {
			var pe *os.PathError
			if errors.As(err, &pe) {
				err = pe.Err
			}
			return nil, nil, err
		}
		if p, notes, err = ReadProfile(data, thisTarget(caps)); err != nil {
			return nil, nil, err
		}
	}
	code, err = Compile(p)
	return code, notes, err
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
		Kernel: kernelAtLeast,
	}
}

func kernelAtLeast(major, minor uint64) bool {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return false
	}
	var a, b uint64
	if n, _ := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &a, &b); n != 2 {
		return false
	}
	return a > major || a == major && b >= minor
}
