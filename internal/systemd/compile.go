package systemd

import (
	"fmt"
	"io/fs"
	"runtime"
	"strconv"
	"strings"

	"hk/internal/cli"
	"hk/pkg/host"
	"hk/pkg/idmap"
	"hk/pkg/mount"
	"hk/pkg/netns"
	"hk/pkg/stage"
	"hk/pkg/unshare"

	"golang.org/x/sys/unix"
)

// A compiler makes the stages of a unit. Each method adds what concerns it.
type compiler struct {
	unit   *Unit
	files  fs.FS
	host   *host.Host
	goarch string
	// memory is that of the machine, in bytes.
	memory uint64

	given   settings
	notes   []note
	managed []string
	err     error

	account    account
	rootDir    string
	noNewPrivs bool
	namespaces unshare.Namespaces
	maps       *idmap.Maps
	// alone is set if only root and the user of the service are mapped.
	alone  bool
	mounts mount.Mounts
	// mounting is set if there is a root of its own, and creates if mount points are missing.
	mounting, creates bool
	// created are the directories that the manager creates.
	created []directorySet
	// denied are calls that fail, and dropped capabilities that are dropped, because of
	// directives that are about something else.
	denied  []string
	dropped uint64
	// variables are the environment, and expanding what can be used in the command.
	variables, expanding []variable
}

// A Command is a chain of a unit.
type Command struct {
	Stages  []stage.Stage
	Payload []string
	// Ignored is set if it does not matter how the command ends, and Privileged if it is not
	// restricted.
	Ignored, Privileged bool
}

// Compiled is what a unit comes to.
type Compiled struct {
	// Lost are notes about what restricts the service and is not said, and Unsaid about what
	// else is not. Managed are directives that only a manager of services can follow.
	Lost, Unsaid, Managed []string
	// Setup are commands of a shell that come first, and Wrapper the words of a program in
	// front of each chain.
	Setup   []string
	Wrapper []string
	// Redirections are those of the shell for each chain.
	Redirections string
	Commands     []Command
}

// Compile makes the chains of a unit. It reads what the unit names on the host, whose files
// are given, and changes nothing. An error is one in the unit.
func Compile(u *Unit, files fs.FS, h *host.Host) (*Compiled, error) {
	c := &compiler{unit: u, files: files, host: h, goarch: runtime.GOARCH}
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		c.memory = uint64(info.Totalram) * uint64(info.Unit)
	}
	return c.compile()
}

func (c *compiler) compile() (*Compiled, error) {
	c.collect()
	c.rootDir = c.text("RootDirectory")
	if a, ok := c.one("RootDirectory"); ok && !strings.HasPrefix(a.Value, "/") {
		c.failf(a, "not an absolute path")
	}
	if c.rootDir == "/" {
		c.rootDir = ""
	}
	c.noNewPrivs = c.truth("NoNewPrivileges", false) || c.truth("DynamicUser", false)
	c.findAccount()
	c.directories()
	c.unshare()
	c.root()
	c.environment()
	out := &Compiled{Redirections: c.redirections(), Wrapper: c.wrapper()}
	for _, d := range c.created {
		out.Setup = append(out.Setup, d.setup...)
	}
	if c.truth("IgnoreSIGPIPE", false) {
		out.Setup = append(out.Setup, "trap '' PIPE")
	}
	if !c.mounting {
		out.Setup = append(out.Setup, "cd "+cli.Quote(c.directory()))
	}
	commands := c.commands()
	if len(commands) == 0 && c.err == nil {
		return nil, fmt.Errorf("%s: there is no ExecStart=", c.unit.File)
	}
	for _, cmd := range commands {
		out.Commands = append(out.Commands, Command{c.stages(cmd), cmd.words, cmd.ignored, cmd.privileged})
	}
	for _, n := range c.notes {
		if n.is == lost {
			out.Lost = append(out.Lost, n.text)
		} else {
			out.Unsaid = append(out.Unsaid, n.text)
		}
	}
	out.Managed = c.managed
	return out, c.err
}

// stages are those of a command, in order. What the supervisor enforces comes first.
// Limits are set while they can be raised.
func (c *compiler) stages(cmd command) []stage.Stage {
	var list []stage.Stage
	if total := c.totalLimits(); len(total.Args()) > 0 {
		list = append(list, total)
	}
	n := c.namespaces
	n.Argv0 = cmd.argv0
	user := c.credentials(cmd)
	if cmd.privileged {
		n.New, n.Join, n.Propagation, n.Hostname = 0, nil, "", ""
		return append(list, &n, user)
	}
	list = append(list, &n)
	if c.maps != nil {
		list = append(list, c.maps)
	}
	if c.mounting {
		list = append(list, &c.mounts)
	}
	if n.New&unix.CLONE_NEWNET != 0 {
		list = append(list, &netns.Network{Loopback: true})
	}
	if l := c.resourceLimits(); len(l.List) > 0 {
		list = append(list, l)
	}
	list = append(list, user)
	for _, f := range c.filters() {
		if !user.NoNewPrivs {
			if f.AllowNewPrivs = c.mayFilter(user); !f.AllowNewPrivs {
				c.noteFilter(cmd)
			}
		}
		list = append(list, f)
	}
	return list
}

// noteFilter notes that a filter comes with no_new_privs.
func (c *compiler) noteFilter(cmd command) {
	for _, n := range c.notes {
		if strings.Contains(n.text, "no_new_privs") {
			return
		}
	}
	c.note(unsaid, cmd.Assignment, "no_new_privs is set too, without which this user cannot load a filter")
}

// unshare sets the namespaces, and what the payload inherits.
func (c *compiler) unshare() {
	n := &c.namespaces
	n.CloseFDs = true
	switch c.choice("KeyringMode", "private", "inherit", "shared") {
	case "inherit":
	case "shared":
		a, _ := c.one("KeyringMode")
		c.note(unsaid, a, "the user's keyring is not linked to the new one")
		fallthrough
	default:
		n.Keyring = true
	}
	for _, ns := range []struct {
		name, path, join string
		flag             uint64
	}{
		{"PrivateNetwork", "NetworkNamespacePath", "net", unix.CLONE_NEWNET}, {"PrivateIPC", "IPCNamespacePath", "ipc", unix.CLONE_NEWIPC},
		{"PrivatePIDs", "", "", unix.CLONE_NEWPID},
	} {
		on := c.truth(ns.name, false)
		if a, ok := c.one(ns.path); ok {
			if !strings.HasPrefix(a.Value, "/") {
				c.failf(a, "not an absolute path")
			}
			n.Join = append(n.Join, unshare.Join{Namespaces: ns.flag, Target: a.Value})
		} else if on {
			n.New |= ns.flag
		}
	}
	c.users()
}

// users sets PrivateUsers=.
func (c *compiler) users() {
	a, _ := c.one("PrivateUsers")
	var uids, gids []string
	switch c.choice("PrivateUsers", "yes", "no", "self", "identity", "full", "managed") {
	case "", "no":
		return
	case "identity":
		uids = []string{"0:0:65536"}
		gids = uids
	case "full":
		uids = []string{"0:0:4294967295"}
		gids = uids
	case "managed":
		c.note(lost, a, "no range of IDs is allocated: hk-idmap --uid 0:FIRST:65536 maps one")
		return
	default:
		c.alone = true
		uids, gids = []string{"0:0:1"}, []string{"0:0:1"}
		u := &c.account
		if u.name != "" && !u.known {
			c.failf(a, "%s is not in /etc/passwd, so its IDs cannot be mapped", u.name)
		} else if u.name != "" {
			id, gid := strconv.Itoa(u.Uid), strconv.Itoa(u.Gid)
			if group := c.text("Group"); group != "" {
				gid = c.groupID(group)
			}
			uids = append(uids, id+":"+id+":1")
			if gid != "0" {
				gids = append(gids, gid+":"+gid+":1")
			}
		}
	}
	c.namespaces.New |= unix.CLONE_NEWUSER
	c.maps = &idmap.Maps{}
	for _, m := range []struct {
		words []string
		to    *[]idmap.Range
	}{{uids, &c.maps.UID}, {gids, &c.maps.GID}} {
		for _, w := range m.words {
			r, err := idmap.ParseRange(w)
			if err != nil {
				c.fail(a, err)
			}
			*m.to = append(*m.to, r)
		}
	}
}
