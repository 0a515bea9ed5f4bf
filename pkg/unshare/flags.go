package unshare

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"hk/pkg/getopt"
	"hk/pkg/host"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// Kind is hk-unshare.
var Kind = stage.Kind{
	Name: "hk-unshare",
	New:  func() stage.Stage { return &Namespaces{} },
	Usage: `hk-unshare [flags] [--] NEXT [args...]: create and join namespaces

 -U, --user        user namespace       -p, --pid      PID namespace
 -m, --mount       mount namespace      -n, --net      network namespace
 -i, --ipc         IPC namespace        -u, --uts      UTS namespace
 -C, --cgroup      cgroup namespace     -T, --time     time namespace
 -a, --all         all except time      --share NS,... exclude from --all
 --user-try, --cgroup-try               if possible
 --join NS=PATH|fd:FD, --join NS,...|all=PID|pidfd:FD, --join net=socket:FD
 --hostname NAME, --domainname NAME     names in the new UTS namespace
 --monotonic SECS, --boottime SECS, --propagation private|slave|shared|unchanged
 --no-nested-userns, --assert-userns-disabled   no user namespaces inside
 --init[=wait]     PID 1 is a reaper, NEXT is PID 2; wait for all processes
 --setsid          start a session without a terminal
 --keyring         a new, empty session keyring; included in --all
 --outlive         do not kill NEXT when the supervisor dies
 --die-with-parent[=PID], --die-with-parent-process   die with the parent
 --argv0 WORD      argv[0] of the payload
 --block-fd N      the payload starts when there is a byte or the end to read
 --userns-block-fd N   another program maps the IDs, and then writes or closes it
 --namespace-ids   event started has the namespaces, and comes before the payload
 --keep-fd N       keep descriptor N open in the supervisor
 --keep-caps       keep the capabilities when a program is executed
 --close-fds[=KEEP,...]   close all descriptors above 2 except KEEP
`,
	Rules: []stage.Rule{
		{When: "--user", Is: func(s stage.Stage, _ *host.Host) bool { return s.(*Namespaces).flags()&unix.CLONE_NEWUSER != 0 },
			Gives: stage.OwnUserNS | stage.SysAdmin | stage.NetAdmin, Takes: stage.IDs},
		{When: "--user-try, --join user", Is: func(s stage.Stage, _ *host.Host) bool { return s.(*Namespaces).perhapsUser() },
			Gives: stage.OwnUserNS | stage.SysAdmin | stage.NetAdmin},
		{When: "--net, --join net", Is: func(s stage.Stage, _ *host.Host) bool {
			n := s.(*Namespaces)
			return (n.flags()|n.joined())&unix.CLONE_NEWNET != 0
		}, Gives: stage.OwnNetNS},
		{When: "other namespaces without --user", Is: func(s stage.Stage, _ *host.Host) bool {
			n := s.(*Namespaces)
			return n.flags() != 0 && n.flags()&unix.CLONE_NEWUSER == 0 && !n.perhapsUser()
		}, Needs: stage.SysAdmin},
	},
}

// perhapsUser reports whether a user namespace is created if possible, or is joined.
func (n *Namespaces) perhapsUser() bool {
	return (n.tried()|n.joined())&unix.CLONE_NEWUSER != 0 && n.flags()&unix.CLONE_NEWUSER == 0
}

// foreignFlag translates flags of bwrap(1) and unshare(1).
func foreignFlag(name string) string {
	ns, ok := strings.CutPrefix(name, "unshare-")
	switch {
	case ok && slices.Contains([]string{"all", "user", "ipc", "pid", "net", "uts", "cgroup", "user-try", "cgroup-try"}, ns):
		return "--" + ns
	}
	switch name {
	case "share-net":
		return "--share net"
	case "new-session":
		return "--setsid"
	case "f", "fork", "kill-child":
		return "what --pid does"
	case "r", "map-root-user":
		return "--user and hk-idmap --root"
	case "c", "map-current-user":
		return "--user and hk-idmap"
	case "mount-proc":
		return "hk-mount --proc"
	case "disable-userns":
		return "--no-nested-userns"
	}
	return ""
}

// Flags binds n to the flags of hk-unshare(1).
func (n *Namespaces) Flags(fs *getopt.Flags) {
	fs.Foreign = foreignFlag
	n.namespaceFlags(fs)
	n.processFlags(fs)
}

// namespaceFlags adds the flags for namespaces: which are created and joined, and their
// settings.
func (n *Namespaces) namespaceFlags(fs *getopt.Flags) {
	for _, ns := range names {
		fs.BoolFunc(ns.name, ns.short, func(on bool) error {
			if on {
				n.New |= ns.flag
			} else {
				n.New &^= ns.flag
			}
			return nil
		})
	}
	fs.Bool("all", "a", &n.All)
	for _, t := range tries {
		fs.BoolFunc(t.name, "", func(on bool) error {
			if n.Try &^= t.flag; on {
				n.Try |= t.flag
			}
			return nil
		})
	}
	fs.String("share", "", func(v string) error {
		for _, name := range getopt.List(v) {
			if name == "keyring" {
				n.ShareKeyring = true
				continue
			}
			flag, err := parseNamespace(name)
			if err != nil {
				return err
			}
			n.Share |= flag
		}
		return nil
	})
	fs.String("join", "", func(v string) error {
		j, err := parseJoin(v)
		n.Join = append(n.Join, j)
		return err
	})
	fs.String("hostname", "", func(v string) error { return setName(&n.Hostname, v) })
	fs.String("domainname", "", func(v string) error { return setName(&n.Domainname, v) })
	fs.String("monotonic", "", func(v string) error { return setOffset(&n.Monotonic, v) })
	fs.String("boottime", "", func(v string) error { return setOffset(&n.Boottime, v) })
	fs.String("propagation", "", getopt.OneOf(&n.Propagation, "private", "slave", "shared", "unchanged"))
}

// processFlags adds the flags for the processes and what they inherit.
func (n *Namespaces) processFlags(fs *getopt.Flags) {
	fs.Optional("init", "true", n.setInit)
	fs.Bool("setsid", "", &n.Setsid)
	fs.Bool("keyring", "", &n.Keyring)
	fs.Bool("outlive", "", &n.Outlive)
	fs.Optional("die-with-parent", "", func(v string) (err error) {
		n.DieWithParent, n.Parent = true, 0
		if v != "" {
			n.Parent, err = getopt.ParsePID(v)
		}
		return err
	})
	fs.Bool("die-with-parent-process", "", &n.DieWithProcess)
	fs.String("keep-fd", "", func(v string) error {
		fd, err := getopt.ParseFD(v)
		if err == nil && !slices.Contains(n.Held, fd) {
			n.Held = append(n.Held, fd)
		}
		return err
	})
	fs.Bool("keep-caps", "", &n.KeepCaps)
	fs.Bool("no-nested-userns", "", &n.NoNested)
	fs.Bool("assert-userns-disabled", "", &n.AssertNoNested)
	fs.Bool("namespace-ids", "", &n.NamespaceIDs)
	fs.String("block-fd", "", waitFor(&n.Block))
	fs.String("userns-block-fd", "", waitFor(&n.UserBlock))
	fs.String("argv0", "", func(v string) error {
		if n.Argv0 = v; v == "" {
			return errors.New("it is empty")
		}
		return nil
	})
	fs.Optional("close-fds", "", n.closeFDs)
}

// waitFor parses a descriptor that is waited for.
func waitFor(at *int) func(string) error {
	return func(v string) (err error) {
		if *at, err = getopt.ParseFD(v); err == nil && *at < 3 {
			err = errors.New("it must be above 2")
		}
		return err
	}
}

// setInit parses the value of --init.
func (n *Namespaces) setInit(v string) error {
	switch v {
	case "wait", "true", "false":
		n.Init, n.InitWaits = v != "false", v == "wait"
		return nil
	}
	return errors.New("neither wait, true nor false")
}

// closeFDs parses the descriptors that are not closed.
func (n *Namespaces) closeFDs(v string) error {
	n.CloseFDs = true
	v = strings.TrimSpace(v)
	if v == "" {
		return nil
	}
	for _, w := range getopt.List(v) {
		fd, err := getopt.ParseFD(w)
		if err != nil {
			return err
		}
		n.KeepFDs = append(n.KeepFDs, fd)
	}
	slices.Sort(n.KeepFDs)
	n.KeepFDs = slices.Compact(n.KeepFDs)
	return nil
}

// Args prints n as flags.
func (n *Namespaces) Args() []string {
	var a getopt.Args
	for _, ns := range names {
		a.Bool(ns.name, n.New&ns.flag != 0)
	}
	a.Bool("all", n.All)
	for _, t := range tries {
		a.Bool(t.name, n.Try&t.flag != 0)
	}
	for _, ns := range names {
		if n.Share&ns.flag != 0 {
			a.Set("share", ns.name)
		}
	}
	if n.ShareKeyring {
		a.Set("share", "keyring")
	}
	for _, j := range n.Join {
		a.String("join", j.String())
	}
	a.Set("hostname", n.Hostname)
	a.Set("domainname", n.Domainname)
	if n.Monotonic != nil {
		a.Set("monotonic", offsetText(*n.Monotonic))
	}
	if n.Boottime != nil {
		a.Set("boottime", offsetText(*n.Boottime))
	}
	a.Set("propagation", n.Propagation)
	n.processArgs(&a)
	return a
}

// processArgs prints the flags of [Namespaces.processFlags].
func (n *Namespaces) processArgs(a *getopt.Args) {
	if n.InitWaits {
		a.String("init", "wait")
	} else {
		a.Bool("init", n.Init)
	}
	a.Bool("setsid", n.Setsid)
	a.Bool("keyring", n.Keyring)
	a.Bool("outlive", n.Outlive)
	if n.Parent != 0 {
		a.Set("die-with-parent", strconv.Itoa(n.Parent))
	} else {
		a.Bool("die-with-parent", n.DieWithParent)
	}
	a.Bool("die-with-parent-process", n.DieWithProcess)
	for _, fd := range n.Held {
		a.Set("keep-fd", strconv.Itoa(fd))
	}
	a.Bool("keep-caps", n.KeepCaps)
	a.Bool("no-nested-userns", n.NoNested)
	a.Bool("assert-userns-disabled", n.AssertNoNested)
	a.Bool("namespace-ids", n.NamespaceIDs)
	if n.Block > 0 {
		a.Set("block-fd", strconv.Itoa(n.Block))
	}
	if n.UserBlock > 0 {
		a.Set("userns-block-fd", strconv.Itoa(n.UserBlock))
	}
	a.Set("argv0", n.Argv0)
	if n.CloseFDs {
		var keep []string
		for _, fd := range n.KeepFDs {
			keep = append(keep, strconv.Itoa(fd))
		}
		a.Bool("close-fds", keep == nil)
		a.Set("close-fds", strings.Join(keep, ","))
	}
}

func setName(name *string, v string) error {
	if v == "" || len(v) > 64 || strings.ContainsRune(v, 0) {
		return fmt.Errorf("a name has 1 to 64 bytes")
	}
	*name = v
	return nil
}

func setOffset(at **unix.Timespec, v string) error {
	t, err := ParseOffset(v)
	if err == nil {
		*at = &t
	}
	return err
}
