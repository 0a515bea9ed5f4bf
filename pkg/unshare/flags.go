package unshare

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"hk/pkg/getopt"
	"hk/pkg/stage"
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
 --join NS=PATH, --join NS,...=PID|pidfd:FD    join existing ones

 --hostname NAME, --domainname NAME     names in the new UTS namespace
 --monotonic SECS, --boottime SECS      clock offsets in the new time namespace
 --propagation private|slave|shared|unchanged   of the mounts; default private

 --init            PID 1 is a reaper, NEXT is PID 2
 --setsid          start a session without a terminal
 --keyring         join a new, empty session keyring; included in --all
 --outlive         do not kill NEXT when the supervisor dies
 --die-with-parent[=PID]  die with the parent process
 --keep-fd N       keep descriptor N open in the supervisor
 --keep-caps       keep the capabilities when a program is executed
 --no-nested-userns       no user namespaces inside the new one
 --close-fds[=KEEP,...]   close all descriptors above 2 except KEEP
`,
}

// foreignFlag translates flags of bwrap(1) and unshare(1).
func foreignFlag(name string) string {
	ns, ok := strings.CutPrefix(name, "unshare-")
	switch {
	case ok && ns == "cgroup-try", ok && ns == "user-try":
		return "--" + strings.TrimSuffix(ns, "-try")
	case ok && slices.Contains([]string{"all", "user", "ipc", "pid", "net", "uts", "cgroup"}, ns):
		return "--" + ns
	}
	switch name {
	case "share-net":
		return "--share net"
	case "new-session":
		return "--setsid"
	case "fork", "kill-child":
		return "what --pid does"
	case "map-root-user":
		return "--user and hk-idmap --root"
	case "map-current-user":
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
	fs.String("monotonic", "", func(v string) error { return setSeconds(&n.Monotonic, v) })
	fs.String("boottime", "", func(v string) error { return setSeconds(&n.Boottime, v) })
	fs.String("propagation", "", getopt.OneOf(&n.Propagation, "private", "slave", "shared", "unchanged"))
}

// processFlags adds the flags for the processes and what they inherit.
func (n *Namespaces) processFlags(fs *getopt.Flags) {
	fs.Bool("init", "", &n.Init)
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
	fs.String("keep-fd", "", func(v string) error {
		fd, err := getopt.ParseFD(v)
		if err == nil && !slices.Contains(n.Held, fd) {
			n.Held = append(n.Held, fd)
		}
		return err
	})
	fs.Bool("keep-caps", "", &n.KeepCaps)
	fs.Bool("no-nested-userns", "", &n.NoNested)
	fs.Optional("close-fds", "", n.closeFDs)
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
		a.Set("monotonic", strconv.FormatInt(*n.Monotonic, 10))
	}
	if n.Boottime != nil {
		a.Set("boottime", strconv.FormatInt(*n.Boottime, 10))
	}
	a.Set("propagation", n.Propagation)
	n.processArgs(&a)
	return a
}

// processArgs prints the flags of [Namespaces.processFlags].
func (n *Namespaces) processArgs(a *getopt.Args) {
	a.Bool("init", n.Init)
	a.Bool("setsid", n.Setsid)
	a.Bool("keyring", n.Keyring)
	a.Bool("outlive", n.Outlive)
	if n.Parent != 0 {
		a.Set("die-with-parent", strconv.Itoa(n.Parent))
	} else {
		a.Bool("die-with-parent", n.DieWithParent)
	}
	for _, fd := range n.Held {
		a.Set("keep-fd", strconv.Itoa(fd))
	}
	a.Bool("keep-caps", n.KeepCaps)
	a.Bool("no-nested-userns", n.NoNested)
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

func setSeconds(at **int64, v string) error {
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		return fmt.Errorf("%q is not a whole number of seconds", v)
	}
	*at = &n
	return nil
}
