package landlock

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"hk/pkg/stage"

	"github.com/spf13/pflag"
)

// Kind is hk-landlock.
var Kind = stage.Kind{
	Name: "hk-landlock",
	New:  func() stage.Stage { return &Ruleset{} },
	Usage: `hk-landlock [flags] [--] NEXT [args...]: restrict files, TCP, signals

Everything that no rule allows is forbidden
 --ro PATH,...            read            --rx PATH,...   read and execute
 --rw PATH,...            read and write  --rwx PATH,...  all three
 --tcp-bind PORT,...      --tcp-connect PORT,...
 --scope signal,abstract-unix-socket   nothing outside can be reached by these
 --restrict fs,tcp-bind,tcp-connect    restrict, with nothing allowed

 --abi N                  handle the rights on files of ABI N; default 5
A comma in a path is written \,
`,
}

// Flags binds r to the flags of hk-landlock(1).
func (r *Ruleset) Flags(fs *pflag.FlagSet) {
	for _, class := range []string{"ro", "rx", "rw", "rwx"} {
		fs.Func(class, "", func(v string) error {
			for _, p := range splitCommas(v) {
				if p == "" {
					return errors.New("an empty path")
				}
				r.Rules = append(r.Rules, Rule{class, p})
			}
			return nil
		})
	}
	ports := func(list *[]uint16) func(string) error {
		return func(v string) error {
			for _, w := range strings.Split(v, ",") {
				n, err := strconv.ParseUint(w, 10, 16)
				if err != nil {
					return fmt.Errorf("%q is no port from 0 to 65535", w)
				}
				*list = append(*list, uint16(n))
			}
			return nil
		}
	}
	fs.Func("tcp-bind", "", ports(&r.Bind))
	fs.Func("tcp-connect", "", ports(&r.Connect))
	fs.Func("scope", "", func(v string) error {
		for _, w := range strings.Split(v, ",") {
			bit, err := parseRight(w, scopes)
			if err != nil {
				return fmt.Errorf("unknown scope %q", w)
			}
			r.Scope |= bit
		}
		return nil
	})
	fs.Func("restrict", "", func(v string) error {
		for _, w := range strings.Split(v, ",") {
			switch w {
			case "fs":
				r.RestrictFS = true
			case "tcp-bind":
				r.RestrictNet |= bindTCP
			case "tcp-connect":
				r.RestrictNet |= connectTCP
			default:
				return fmt.Errorf("%q is not fs, tcp-bind or tcp-connect", w)
			}
		}
		return nil
	})
	fs.Func("abi", "", func(v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > len(kernels) {
			return fmt.Errorf("%q is no ABI from 1 to %d", v, len(kernels))
		}
		r.ABI = n
		return nil
	})
}

// splitCommas cuts at commas that have no backslash before them.
func splitCommas(s string) []string {
	var fields []string
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == ',' || s[i+1] == '\\'):
			i++
			b.WriteByte(s[i])
		case s[i] == ',':
			fields = append(fields, b.String())
			b.Reset()
		default:
			b.WriteByte(s[i])
		}
	}
	return append(fields, b.String())
}

// Args prints r as flags.
func (r *Ruleset) Args() []string {
	var args []string
	for _, rule := range r.Rules {
		args = append(args, "--"+rule.Flag+"="+strings.NewReplacer(`\`, `\\`, ",", `\,`).Replace(rule.Path))
	}
	for _, p := range r.Bind {
		args = append(args, fmt.Sprintf("--tcp-bind=%d", p))
	}
	for _, p := range r.Connect {
		args = append(args, fmt.Sprintf("--tcp-connect=%d", p))
	}
	for _, s := range scopes {
		if r.Scope&s.bit != 0 {
			args = append(args, "--scope="+strings.ReplaceAll(s.name, "_", "-"))
		}
	}
	if r.RestrictFS {
		args = append(args, "--restrict=fs")
	}
	if r.RestrictNet&bindTCP != 0 {
		args = append(args, "--restrict=tcp-bind")
	}
	if r.RestrictNet&connectTCP != 0 {
		args = append(args, "--restrict=tcp-connect")
	}
	if r.ABI != 0 {
		args = append(args, fmt.Sprintf("--abi=%d", r.ABI))
	}
	return args
}
