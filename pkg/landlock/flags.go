package landlock

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"hk/internal/learned"
	"hk/pkg/getopt"
	"hk/pkg/host"
	"hk/pkg/stage"
)

// Kind is hk-landlock.
var Kind = stage.Kind{
	Name: "hk-landlock",
	New:  func() stage.Stage { return &Ruleset{} },
	Usage: `hk-landlock [flags] [--] NEXT [args...]: restrict files, ports, sockets, signals

What is restricted is denied unless a rule allows it
 --ro PATH,...            read            --rx PATH,...   read and execute
 --rw PATH,...            read and write  --rwx PATH,...  all three
 --allow PATH:RIGHT+RIGHT,...             rights, by their kernel names
 --exec-closure PROG      what executing PROG needs: interpreters, libraries
 --tcp-bind PORT,...      --tcp-connect PORT,...
 --udp-bind PORT,...      --udp-connect PORT,...
 --scope signal,abstract-unix-socket      deny these to processes outside
 --restrict all|fs,RIGHT,tcp-bind,...     restrict without a rule
 --rules FILE             flags, one in a line, such as those of --learn
 --learn FILE             restrict nothing; write the rules that NEXT needs

 --abi N                  restrict the file rights of ABI N; default 5
 --best-effort            skip what this kernel cannot enforce, and report it
 --ignore-missing         skip paths that do not exist, and report it
 --no-symlinks            a symbolic link in a path is an error
 --log off|exec|subdomains                audit what the payload is denied
 --allow-new-privs        do not set no_new_privs; needs CAP_SYS_ADMIN
 --support                print which rights this kernel supports
In a path a comma is written \, and, with --allow, a colon \:
`,
	Rules: []stage.Rule{
		{When: "with rights on files", Is: func(s stage.Stage, h *host.Host) bool { return s.(*Ruleset).forbidsMounts(h) },
			Takes: stage.Mounting},
	},
}

// foreignFlag translates flags of landrun and of setpriv(1).
func foreignFlag(name string) string {
	switch name {
	case "rox", "exec", "execute":
		return "--rx PATH"
	case "read":
		return "--ro PATH"
	case "write":
		return "--rw PATH"
	case "bind-tcp":
		return "--tcp-bind PORT"
	case "connect-tcp":
		return "--tcp-connect PORT"
	case "landlock-access":
		return "--restrict RIGHT,..."
	case "landlock-rule":
		return "--allow PATH:RIGHT+RIGHT"
	}
	return ""
}

// Flags binds r to the flags of hk-landlock(1).
func (r *Ruleset) Flags(fs *getopt.Flags) {
	fs.Foreign = foreignFlag
	r.ruleFlags(fs)
	fs.String("rules", "", r.readRules)
	fs.String("learn", "", func(v string) error {
		r.Learn = v
		return learned.CheckName(v)
	})
	fs.Bool("allow-new-privs", "", &r.AllowNewPrivs)
	fs.Bool("support", "", &r.Support)
}

// ruleFlags are the flags that say what is restricted.
func (r *Ruleset) ruleFlags(fs *getopt.Flags) {
	for _, class := range classes {
		fs.String(class.name, "", func(v string) error {
			for _, p := range getopt.List(v) {
				if p == "" {
					return errors.New("an empty path")
				}
				r.Rules = append(r.Rules, Rule{Flag: class.name, Path: p})
			}
			return nil
		})
	}
	fs.String("allow", "", r.allow)
	fs.String("exec-closure", "", func(v string) error {
		if v == "" {
			return errors.New("an empty path")
		}
		r.Closures = append(r.Closures, v)
		return nil
	})
	for _, l := range r.portLists() {
		fs.String(l.flag, "", l.add)
	}
	fs.String("scope", "", func(v string) error {
		for _, w := range getopt.List(v) {
			bit, err := parseRight(w, scopes)
			if err != nil {
				return fmt.Errorf("unknown scope %q", w)
			}
			r.Scope |= bit
		}
		return nil
	})
	fs.String("restrict", "", func(v string) error {
		for _, w := range getopt.List(v) {
			if err := r.restrict(w); err != nil {
				return err
			}
		}
		return nil
	})
	fs.String("abi", "", func(v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > host.NewestLandlockABI {
			return fmt.Errorf("%q is not an ABI from 1 to %d", v, host.NewestLandlockABI)
		}
		r.ABI = n
		return nil
	})
	fs.Bool("best-effort", "", &r.BestEffort)
	fs.Bool("ignore-missing", "", &r.IgnoreMissing)
	fs.Bool("no-symlinks", "", &r.NoSymlinks)
	fs.String("log", "", getopt.OneOf(&r.Log, "off", "exec", "subdomains"))
}

// add parses a list of ports.
func (l portList) add(v string) error {
	for _, w := range getopt.List(v) {
		n, err := strconv.ParseUint(w, 10, 16)
		if err != nil {
			return fmt.Errorf("%q is not a port from 0 to 65535", w)
		}
		*l.ports = append(*l.ports, uint16(n))
	}
	return nil
}

// allow parses PATH:RIGHT+RIGHT, and more of them after commas.
func (r *Ruleset) allow(v string) error {
	for _, w := range getopt.Value(v).Split(',') {
		f := w.Split(':')
		if len(f) != 2 {
			return fmt.Errorf("%q is not PATH:RIGHT+RIGHT", w)
		}
		if f[0] == "" {
			return errors.New("an empty path")
		}
		access, err := ParseAccess(f[1].Text())
		if err != nil {
			return err
		}
		r.Rules = append(r.Rules, Rule{"allow", f[0].Text(), access})
	}
	return nil
}

func (r *Ruleset) restrict(what string) error {
	switch what {
	case "fs":
		r.RestrictFS = true
		return nil
	case "all":
		r.RestrictAll = true
		return nil
	}
	for _, l := range r.portLists() {
		if l.flag == what {
			r.RestrictNet |= l.right
			return nil
		}
	}
	bit, err := parseRight(what, fsRights)
	if err != nil {
		return fmt.Errorf("%q is not all, fs, tcp-bind, tcp-connect, udp-bind, udp-connect or a right on files", what)
	}
	r.Restrict |= Access(bit)
	return nil
}

// Args prints r as flags.
func (r *Ruleset) Args() []string {
	var a getopt.Args
	for _, rule := range r.Rules {
		if rule.Flag == "allow" {
			a.String("allow", string(getopt.Escape(rule.Path, ",:"))+":"+rule.Access.Names())
		} else {
			a.String(rule.Flag, string(getopt.Escape(rule.Path, ",")))
		}
	}
	for _, c := range r.Closures {
		a.String("exec-closure", c)
	}
	for _, l := range r.portLists() {
		for _, p := range *l.ports {
			a.Set(l.flag, strconv.Itoa(int(p)))
		}
	}
	for _, s := range scopes {
		if r.Scope&s.bit != 0 {
			a.Set("scope", strings.ReplaceAll(s.name, "_", "-"))
		}
	}
	if r.RestrictFS {
		a.Set("restrict", "fs")
	}
	if r.RestrictAll {
		a.Set("restrict", "all")
	}
	for _, right := range fsRights {
		if uint64(r.Restrict)&right.bit != 0 {
			a.Set("restrict", right.name)
		}
	}
	for _, l := range r.portLists() {
		if r.RestrictNet&l.right != 0 {
			a.Set("restrict", l.flag)
		}
	}
	if r.ABI != 0 {
		a.Set("abi", strconv.Itoa(r.ABI))
	}
	a.Set("log", r.Log)
	a.Set("learn", r.Learn)
	a.Bool("best-effort", r.BestEffort)
	a.Bool("ignore-missing", r.IgnoreMissing)
	a.Bool("no-symlinks", r.NoSymlinks)
	a.Bool("allow-new-privs", r.AllowNewPrivs)
	a.Bool("support", r.Support)
	return a
}
