package systemd

import (
	"fmt"
	"hash/fnv"
	"path"
	"slices"
	"strconv"
	"strings"

	"hk/pkg/getopt"
	"hk/pkg/plan"
	"hk/pkg/setuser"

	"github.com/moby/sys/user"
	"golang.org/x/sys/unix"
)

// An account is the user of the service.
type account struct {
	// name is a name or a number; "" is root.
	name string
	// known is set if passwd has the user.
	known bool
	user.User
	// groups are those that have the user as a member, by name.
	groups []string
	// dynamic is set if the ID is made up.
	dynamic bool
}

// dynamic IDs are from a range that systemd reserves for them.
const firstDynamic, dynamics = 61184, 65519 - 61184 + 1

// account finds the user of the service in the machine's files.
func (c *compiler) findAccount() {
	a, given := c.one("User")
	u := &c.account
	u.name = a.Value
	dynamic := c.truth("DynamicUser", false)
	if !given && dynamic {
		u.name = strings.TrimSuffix(c.unit.Name, ".service")
		if !validName(strings.ReplaceAll(u.name, "-", "_")) || len(u.name) > 31 {
			u.name = fmt.Sprintf("_du%08x", hash(u.name))
		}
	}
	if u.name == "root" || u.name == "0" {
		u.name = ""
	}
	if u.name == "" {
		return
	}
	passwd, _ := read(c.files, "/etc/passwd")
	list, _ := user.ParsePasswdFilter(strings.NewReader(passwd), func(p user.User) bool { return p.Name == u.name || strconv.Itoa(p.Uid) == u.name })
	if len(list) > 0 {
		u.known, u.User = true, list[0]
		group, _ := read(c.files, "/etc/group")
		groups, _ := user.ParseGroupFilter(strings.NewReader(group), func(g user.Group) bool { return slices.Contains(g.List, u.Name) })
		for _, g := range groups {
			u.groups = append(u.groups, g.Name)
		}
		return
	}
	if dynamic {
		id := firstDynamic + int(hash(u.name)%dynamics)
		u.User, u.known, u.dynamic = user.User{Name: u.name, Uid: id, Gid: id, Home: "/", Shell: "/usr/sbin/nologin"}, true, true
		a, _ := c.one("DynamicUser")
		c.note(unsaid, a, fmt.Sprintf("the ID %d is not reserved: no other program may use it", id))
	}
}

func hash(name string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(name))
	return h.Sum32()
}

// login sets the variables of a user, if there is one. A home directory and a shell that
// are only placeholders are left out.
func (c *compiler) login() {
	u := &c.account
	if u.name == "" {
		c.set("USER", "root")
	}
	if !c.truth("SetLoginEnvironment", u.name != "") {
		return
	}
	p := u.User
	switch {
	case u.name == "":
		p = user.User{Name: "root", Home: "/root", Shell: "/bin/sh"}
	case !u.known:
		p = user.User{Name: u.name}
	}
	if p.Home != "" && p.Home != "/" && p.Name != "nobody" {
		c.set("HOME", p.Home)
	}
	c.set("LOGNAME", p.Name)
	switch path.Base(p.Shell) {
	case ".", "nologin", "false", "true":
	default:
		c.set("SHELL", p.Shell)
	}
	c.set("USER", p.Name)
}

// setUser sets the user and the groups.
func (c *compiler) setUser(to *setuser.Credentials) {
	u := &c.account
	group := c.text("Group")
	var more []string
	for _, i := range c.words("SupplementaryGroups") {
		more = append(more, i.word)
	}
	name := u.name
	if name == "" {
		to.Groups = "none"
		if len(more) > 0 {
			to.Groups = string(getopt.JoinList(more))
		}
		if group != "" && group != "root" {
			to.User = &setuser.User{Name: "root", Group: group}
		}
		return
	}
	numeric := u.known && (u.dynamic || c.rootDir != "") // the new root has names of its own
	if numeric {
		name = strconv.Itoa(u.Uid)
	}
	if group == "" && (numeric || c.alone || len(more) > 0) && u.known {
		group = strconv.Itoa(u.Gid)
	}
	switch {
	case c.alone && len(more)+len(u.groups) > 0:
		a, _ := c.one("PrivateUsers")
		c.note(unsaid, a, "the other groups of the user are not mapped, and dropped")
		more = nil
	case c.alone:
	case group != "" && !u.dynamic:
		if !u.known {
			a, _ := c.one("User")
			c.note(unsaid, a, "the groups of this user are not known here")
		}
		for _, g := range u.groups {
			if !slices.Contains(more, g) {
				more = append(more, g)
			}
		}
	}
	if group == "" && len(more) > 0 {
		a, _ := c.one("SupplementaryGroups")
		c.failf(a, "%s is not in /etc/passwd, so its own groups are not known", u.name)
	}
	if c.rootDir != "" {
		group, more = c.groupID(group), c.groupIDs(more)
	}
	to.User = &setuser.User{Name: name, Group: group, Groups: more}
}

// groupIDs are the numbers of groups of this machine: the new root has names of its own.
func (c *compiler) groupIDs(names []string) (list []string) {
	for _, n := range names {
		list = append(list, c.groupID(n))
	}
	return list
}

func (c *compiler) groupID(name string) string {
	text, _ := read(c.files, "/etc/group")
	groups, _ := user.ParseGroupFilter(strings.NewReader(text), func(g user.Group) bool { return g.Name == name })
	if len(groups) == 0 {
		return name
	}
	return strconv.Itoa(groups[0].Gid)
}

// capSet is what a directive with capabilities comes to, starting from initial. given is
// false without one.
func (c *compiler) capSet(name string, initial uint64) (set uint64, given bool) {
	all := uint64(1)<<(c.host.LastCap+1) - 1
	set = initial
	for _, a := range c.given[name] {
		text, except := strings.CutPrefix(a.Value, "~")
		listed := uint64(0)
		for _, w := range strings.Fields(text) {
			found := false
			for i := 0; i <= c.host.LastCap; i++ {
				if strings.EqualFold(plan.CapName(i), w) {
					listed |= 1 << i
					found = true
				}
			}
			if !found {
				c.failf(a, "unknown capability %q", w)
			}
		}
		fresh := listed == 0 || set == initial // a set that says nothing yet is replaced
		switch {
		case except && fresh:
			set = all &^ listed
		case except:
			set &^= listed
		case fresh:
			set = listed
		default:
			set |= listed
		}
	}
	return set, len(c.given[name]) > 0
}

// capabilities sets what the payload may have. Root has what is in the bounding set, and any
// other user the ambient capabilities.
func (c *compiler) capabilities(to *setuser.Credentials, asRoot bool) {
	all := uint64(1)<<(c.host.LastCap+1) - 1
	bounding, _ := c.capSet("CapabilityBoundingSet", all)
	bounding &^= c.dropped
	ambient, raised := c.capSet("AmbientCapabilities", 0)
	if bounding == all && !raised {
		return
	}
	if asRoot && bounding == 0 {
		to.Caps = "none"
		return
	}
	text := func(set uint64) string { return capText(set, all, c.host.LastCap) }
	to.Inheritable, to.Ambient = text(ambient&bounding), text(ambient&bounding)
	if asRoot {
		to.Caps = text(bounding)
	} else if bounding != all {
		to.Bounding = text(bounding)
	}
}

// capText is a set in the form of --caps, the shorter one of a list of what is in it and
// of what is not.
func capText(set, all uint64, last int) string {
	if set == 0 {
		return "none"
	}
	if set == all {
		return "all"
	}
	var with, without []string
	for i := 0; i <= last; i++ {
		name := strings.ToLower(strings.TrimPrefix(plan.CapName(i), "CAP_"))
		if set>>i&1 != 0 {
			with = append(with, "+"+name)
		} else {
			without = append(without, "-"+name)
		}
	}
	if len(without) < len(with) {
		return strings.Join(without, ",")
	}
	return strings.Join(with, ",")
}

// securebits are those of SecureBits=. keep-caps is what hk-setuser does itself.
func (c *compiler) securebits() string {
	var list []string
	for _, i := range c.words("SecureBits") {
		switch i.word {
		case "keep-caps":
		case "noroot", "noroot-locked", "no-setuid-fixup", "no-setuid-fixup-locked", "keep-caps-locked":
			list = append(list, i.word)
		default:
			c.failf(i.Assignment, "unknown securebit %q", i.word)
		}
	}
	return strings.Join(list, ",")
}

// credentials are those of a command.
func (c *compiler) credentials(cmd command) *setuser.Credentials {
	to := &setuser.Credentials{}
	mask := uint32(0o022)
	if a, ok := c.one("UMask"); ok {
		n, err := strconv.ParseUint(a.Value, 8, 32)
		if err != nil || n > 0o777 {
			c.failf(a, "not an octal mask from 0 to 777")
		}
		mask = uint32(n)
	}
	to.Umask = &mask
	to.Environment = c.changes()
	if cmd.privileged {
		return to
	}
	to.NoNewPrivs = c.noNewPrivs
	to.Securebits = c.securebits()
	to.Label = c.label()
	asRoot := c.account.name == "" || cmd.keepUser
	if cmd.keepUser {
		to.Groups = "none"
	} else {
		c.setUser(to)
	}
	c.capabilities(to, asRoot)
	return to
}

// label is the SELinux context of the command. Where it cannot be given, hk-setuser fails: the
// manager ignores it where SELinux is not enabled, and a failure if it begins with "-".
func (c *compiler) label() string {
	a, _ := c.one("SELinuxContext")
	label, optional := strings.CutPrefix(a.Value, "-")
	if optional && label == "" {
		c.failf(a, "no label")
	} else if optional {
		c.note(unsaid, a, "if it cannot be given, the command is not executed")
	}
	return label
}

// mayFilter reports whether a payload with these credentials may load a filter without
// no_new_privs.
func (c *compiler) mayFilter(to *setuser.Credentials) bool {
	all := uint64(1)<<(c.host.LastCap+1) - 1
	caps, err := setuser.ParseCaps(to.Caps, all, c.host.LastCap)
	isRoot := to.User == nil || to.User.Name == "root"
	return isRoot && (to.Caps == "" || err == nil && caps>>unix.CAP_SYS_ADMIN&1 != 0)
}
