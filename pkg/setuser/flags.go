package setuser

import (
	"errors"
	"fmt"
	"strconv"

	"hk/pkg/getopt"
	"hk/pkg/host"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// Kind is hk-setuser.
var Kind = stage.Kind{
	Name: "hk-setuser",
	New:  func() stage.Stage { return &Credentials{} },
	Usage: `hk-setuser [flags] [--] NEXT [args...]: change user, groups, capabilities, environment

 --userns-fd N                    enter the user namespace of descriptor N first
 --user USER[:GROUP[:G1,G2...]]   names in the current root, or decimal IDs
 --groups LIST|none|keep          supplementary groups
 --caps none|all|keep|docker|+CAP,-CAP...   what NEXT may have, in all five sets
 --bounding LIST                  this set only, also apart from --caps
 --inheritable LIST, --ambient LIST   each likewise
 --no-new-privs                   no program executed later gains privileges
 --securebits LIST                noroot, no-setuid-fixup, ..., each also -locked
 --selinux-label LABEL            the SELinux context of NEXT
 --umask MODE                     octal

 --clearenv                       remove all environment variables
 --reset-env                      all but TERM: HOME, SHELL and others of the user
 --setenv NAME=VALUE              set one; NAME alone: as it is for hk-setuser
 --unsetenv NAME                  remove one
 --set-pwd                        PWD is the current working directory
`,
	Rules: []stage.Rule{
		{When: "--userns-fd", Is: func(s stage.Stage, _ *host.Host) bool { return s.(*Credentials).UserNS > 0 },
			Gives: stage.OwnUserNS | stage.SysAdmin | stage.NetAdmin},
		{When: "--caps without sys_admin", Is: func(s stage.Stage, h *host.Host) bool { return s.(*Credentials).drops(h, unix.CAP_SYS_ADMIN) },
			Takes: stage.SysAdmin},
		{When: "--caps without net_admin", Is: func(s stage.Stage, h *host.Host) bool { return s.(*Credentials).drops(h, unix.CAP_NET_ADMIN) },
			Takes: stage.NetAdmin},
	},
}

// drops reports whether --caps is certain to remove a capability from all sets.
func (c *Credentials) drops(h *host.Host, capability int) bool {
	if c.Caps == "" || c.Bounding != "" || c.Inheritable != "" || c.Ambient != "" {
		return false
	}
	all := h.AllCaps()
	set, err := capList{all: all, last: h.LastCap, keep: &all}.parse(c.Caps)
	return err == nil && set>>capability&1 == 0
}

// foreignFlag translates flags of setpriv(1), bwrap(1) and others.
func foreignFlag(name string) string {
	switch name {
	case "reuid", "uid", "regid", "gid":
		return "--user USER:GROUP"
	case "clear-groups":
		return "--groups none"
	case "keep-groups":
		return "--groups keep"
	case "init-groups":
		return "what --user NAME does"
	case "inh-caps":
		return "--inheritable LIST"
	case "ambient-caps":
		return "--ambient LIST"
	case "bounding-set":
		return "--bounding LIST"
	case "drop", "drop-all", "cap-drop", "cap-add":
		return "--caps none, or --caps +NAME,... for some of them"
	case "nnp":
		return "--no-new-privs"
	}
	return ""
}

// Flags binds c to the flags of hk-setuser(1).
func (c *Credentials) Flags(fs *getopt.Flags) {
	fs.Foreign = foreignFlag
	fs.String("userns-fd", "", func(v string) (err error) {
		if c.UserNS, err = getopt.ParseFD(v); err == nil && c.UserNS < 3 {
			err = errors.New("it must be above 2")
		}
		return err
	})
	fs.String("user", "", func(v string) (err error) {
		c.User, err = ParseUser(v)
		return err
	})
	fs.String("groups", "", func(v string) error { return notEmpty(&c.Groups, v) })
	fs.String("caps", "", func(v string) error { return notEmpty(&c.Caps, v) })
	fs.String("bounding", "", func(v string) error { return notEmpty(&c.Bounding, v) })
	fs.String("inheritable", "", func(v string) error { return notEmpty(&c.Inheritable, v) })
	fs.String("ambient", "", func(v string) error { return notEmpty(&c.Ambient, v) })
	fs.Bool("no-new-privs", "", &c.NoNewPrivs)
	fs.String("securebits", "", func(v string) error { return notEmpty(&c.Securebits, v) })
	fs.String("selinux-label", "", func(v string) error {
		if c.Label = v; v == "" {
			return errors.New("an empty label")
		}
		return nil
	})
	fs.String("umask", "", func(v string) error {
		n, err := strconv.ParseUint(v, 8, 32)
		if err != nil || n > 0o777 {
			return fmt.Errorf("%q is not an octal mask from 0 to 777", v)
		}
		m := uint32(n)
		c.Umask = &m
		return nil
	})
	c.environmentFlags(fs)
}

func notEmpty(at *string, v string) error {
	if v == "" {
		return fmt.Errorf("an empty list: write none")
	}
	*at = v
	return nil
}

// Args prints c as flags.
func (c *Credentials) Args() []string {
	var a getopt.Args
	if c.UserNS > 0 {
		a.Set("userns-fd", strconv.Itoa(c.UserNS))
	}
	if c.User != nil {
		a.String("user", c.User.String())
	}
	a.Set("groups", c.Groups)
	a.Set("caps", c.Caps)
	a.Set("bounding", c.Bounding)
	a.Set("inheritable", c.Inheritable)
	a.Set("ambient", c.Ambient)
	a.Bool("no-new-privs", c.NoNewPrivs)
	a.Set("securebits", c.Securebits)
	a.Set("selinux-label", c.Label)
	if c.Umask != nil {
		a.Set("umask", fmt.Sprintf("%03o", *c.Umask))
	}
	for _, e := range c.Environment {
		e.args(&a)
	}
	return a
}
