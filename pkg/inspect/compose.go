package inspect

import (
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"hk/internal/vis"
	"hk/pkg/getopt"
)

// A composer makes a chain of what is known about a process, in comparison with the one
// that looks.
type composer struct {
	own, other *Report
	// stages are the words of each stage, and notes say what no flag says.
	stages [][]string
	notes  []string
	// entered and apart are set if the process is in another user or mount namespace.
	entered, apart bool
}

// writeChain prints the chain as a command of sh(1), and the notes as comments. call says how
// a stage is called.
func writeChain(w io.Writer, own, other *Report, call func(string) string) error {
	stages, notes := compose(own, other)
	var b strings.Builder
	if len(stages) > 0 {
		comment(&b, "The chain that would make what the kernel tells of the process. What is not in it:")
	} else if unknown := other.unknown(); len(unknown) > 0 {
		comment(&b, "No chain: what could be read shows no isolation from this process, but it is not known for "+strings.Join(unknown, ", ")+".")
	} else {
		comment(&b, "No chain: as far as the kernel tells, the process is not isolated from this one.")
	}
	for _, n := range notes {
		comment(&b, n)
	}
	payload := other.command
	if len(stages) > 0 && slices.Contains(programs, filepath.Base(payload[0])) {
		comment(&b, "COMMAND is a process with the name of a stage, whose words would belong to the chain:")
		b.WriteString("# ")
		sentence(&b, payload, nil, "# ")
		b.WriteByte('\n')
		payload = []string{"COMMAND"}
	}
	for _, s := range stages {
		s[0] = call(s[0])
		sentence(&b, s, nil, "")
		b.WriteString(" \\\n")
	}
	before := "-- "
	if len(stages) == 0 {
		before = "# " // a program may call itself like a stage: its words are no chain
	}
	b.WriteString(before)
	sentence(&b, payload, nil, strings.TrimPrefix(before, "-- "))
	_, err := io.WriteString(w, b.String()+"\n")
	return err
}

// unknown are the sections of a chain in which something could not be read.
func (r *Report) unknown() (list []string) {
	for _, what := range slices.Sorted(maps.Keys(r.Unreadable)) {
		section, _, _ := strings.Cut(what, ".")
		if what != "caps.securebits" && what != "seccomp.contents" && !slices.Contains(list, section) {
			list = append(list, section)
		}
	}
	return list
}

// sentence writes words that others may have chosen, as sh(1) reads them. Those at the places
// in breaks start a line, and each line after the first begins with before: "# " if the first
// is a comment.
func sentence(b *strings.Builder, words []string, breaks []int, before string) {
	for i, w := range words {
		switch {
		case i == 0:
		case slices.Contains(breaks, i):
			b.WriteString(" \\\n" + before)
		default:
			b.WriteByte(' ')
		}
		b.WriteString(strings.ReplaceAll(vis.Line(w), "\n", "\n"+before))
	}
}

// compose returns the chain, and notes about what it lacks.
func compose(own, other *Report) (stages [][]string, notes []string) {
	c := &composer{own: own, other: other}
	if text := other.shownThread(); text != "" {
		c.note("%s", text)
	}
	c.unshare()
	c.idmap()
	c.mount()
	c.setuser()
	c.limit()
	c.untold()
	return c.stages, c.notes
}

func (c *composer) note(format string, args ...any) {
	c.notes = append(c.notes, fmt.Sprintf(format, args...))
}

// add adds a stage, if it has flags.
func (c *composer) add(name string, flags []string) {
	if len(flags) > 0 {
		c.stages = append(c.stages, append([]string{name}, flags...))
	}
}

// differs reports whether the process is in another namespace of a type.
func (c *composer) differs(name string) bool {
	return c.other.Namespaces[name].Caller == "other"
}

func (c *composer) unshare() {
	flags := map[string]string{"cgroup": "--cgroup", "ipc": "--ipc", "mnt": "--mount", "net": "--net", "pid": "--pid", "time": "--time", "user": "--user", "uts": "--uts"}
	var list []string
	for _, name := range []string{"user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"} {
		why, unreadable := c.other.Unreadable["namespaces."+name]
		is := c.differs(name)
		if unreadable {
			sees := ""
			if is, sees = c.seems(name); is {
				sees = "; it must be another one, as its " + sees + " are others"
			}
			c.note("namespaces: %s is not readable: %s%s", name, why, sees)
		}
		if is {
			list = append(list, flags[name])
		}
		c.entered, c.apart = c.entered || is && name == "user", c.apart || is && name == "mnt"
	}
	if c.differs("uts") {
		c.note("namespaces: the host name is not told")
	}
	if c.differs("net") {
		c.note("namespaces: what the network namespace has is not told")
	}
	c.add("hk-unshare", list)
}

// seems reports whether a namespace must be another one, by what else is known: one user
// namespace has one map, and from one root directory in one mount namespace the same mounts
// are visible. what is that.
func (c *composer) seems(name string) (is bool, what string) {
	switch {
	case name == "user" && c.other.IDs != nil && c.own.IDs != nil && c.other.IDs.UIDMap != nil && c.own.IDs.UIDMap != nil:
		return !slices.Equal(c.other.IDs.UIDMap, c.own.IDs.UIDMap), "maps"
	case name == "mnt" && c.other.Mounts != nil && c.own.Mounts != nil:
		return len(c.other.Mounts) != len(c.own.Mounts) || slices.ContainsFunc(c.other.Mounts, func(m Mount) bool { return !m.Hidden && !c.has(&m) }), "mounts"
	}
	return false, ""
}

func (c *composer) idmap() {
	if !c.entered || c.other.IDs == nil {
		return
	}
	var list []string
	for _, e := range c.other.IDs.UIDMap {
		list = append(list, "--uid="+e)
	}
	for _, e := range c.other.IDs.GIDMap {
		list = append(list, "--gid="+e)
	}
	if c.other.IDs.Setgroups == "deny" && len(list) > 0 {
		list = append(list, "--setgroups=deny")
	}
	c.add("hk-idmap", list)
}

func (c *composer) setuser() {
	i, caps := c.other.IDs, c.other.Caps
	if i == nil || caps == nil || c.own.IDs == nil || c.own.Caps == nil {
		c.note("ids, caps: not readable")
		return
	}
	list := c.user()
	switch s := caps.sets; {
	case s == [5]uint64{s[0], s[0], s[0], s[0], s[0]}:
		list = append(list, "--caps="+capList(s[0]))
	case !c.usual(s):
		c.note("caps: %s", c.sets())
	}
	if caps.NoNewPrivs && !c.own.Caps.NoNewPrivs {
		list = append(list, "--no-new-privs")
	}
	if c.other.Root != nil && c.own.Root != nil && c.other.Root.Umask != "" && c.other.Root.Umask != c.own.Root.Umask {
		list = append(list, "--umask="+c.other.Root.Umask)
	}
	c.add("hk-setuser", list)
}

// user is --user, if the IDs are not those that the process that looks would have there.
func (c *composer) user() []string {
	i, own := c.other.IDs, c.own.IDs
	uid, gid, groups := i.UID.Effective, i.GID.Effective, i.Groups
	if i.UID != (IDSet{uid, uid, uid, uid}) || i.GID != (IDSet{gid, gid, gid, gid}) {
		c.note("ids: uid %v, gid %v", i.UID, i.GID)
	}
	if uid == own.UID.Effective && gid == own.GID.Effective && (c.entered && i.Setgroups == "deny" || slices.Equal(groups, own.Groups)) {
		return nil
	}
	inside := func(id uint32, in interface {
		Inside(uint32) (uint32, bool)
	}) string {
		if !c.entered {
			return fmt.Sprint(id)
		}
		n, ok := in.Inside(id)
		if !ok {
			c.note("ids: %d is not mapped", id)
		}
		return fmt.Sprint(n)
	}
	text := inside(uid, i.uids) + ":" + inside(gid, i.gids)
	var more []string
	for _, g := range groups {
		more = append(more, inside(g, i.gids))
	}
	if len(more) == 0 {
		return []string{"--user=" + text, "--groups=none"}
	}
	return []string{"--user=" + text + ":" + strings.Join(more, ",")}
}

// usual reports whether the sets are those that execve(2) gives without any flag: to the
// root of a user namespace all that can be had, and to any other user none.
func (c *composer) usual(s [5]uint64) bool {
	all := c.own.Caps.sets[3]
	if c.entered {
		all = ^uint64(0) >> (63 - c.own.Caps.last)
	}
	return s == [5]uint64{all, all, 0, all, 0} || s == [5]uint64{0, 0, 0, all, 0}
}

func (c *composer) sets() string {
	var list []string
	for i, name := range setNames {
		list = append(list, name[1]+" "+capList(c.other.Caps.sets[i]))
	}
	return strings.Join(list, "; ")
}

// capList are capabilities as in hk-setuser --caps.
func capList(set uint64) string {
	if set == 0 {
		return "none"
	}
	var list []string
	for _, name := range capNames(set) {
		list = append(list, "+"+strings.ToLower(strings.TrimPrefix(name, "CAP_")))
	}
	return strings.Join(list, ",")
}

func (c *composer) limit() {
	var list []string
	for _, res := range resources {
		l, ok := c.other.Limits[res.name]
		if own, known := c.own.Limits[res.name]; !ok || known && l == own {
			continue
		}
		text := l.Soft.String()
		if l.Soft != l.Hard {
			text += ":" + l.Hard.String()
		}
		list = append(list, "--"+res.name+"="+text)
	}
	flags := map[string]string{"memory.max": "--memory=", "memory.high": "--memory-high=", "pids.max": "--pids="}
	for _, g := range c.other.Cgroups {
		for _, l := range g.Limits {
			switch flag := flags[l.File]; {
			case c.sharesLimit(l):
			case flag != "":
				list = append(list, flag+l.Value)
			default:
				c.note("cgroups: %s of %s is %s", l.File, l.Group, l.Value)
			}
		}
	}
	c.add("hk-limit", list)
}

// sharesLimit reports whether the process that looks is under a limit, too.
func (c *composer) sharesLimit(l CgroupLimit) bool {
	return slices.ContainsFunc(c.own.Cgroups, func(g Cgroup) bool { return slices.Contains(g.Limits, l) })
}

// untold notes what the kernel does not tell.
func (c *composer) untold() {
	s := c.other.Seccomp
	switch {
	case s == nil:
		c.note("seccomp: not readable")
	case s.Mode != "none":
		n := "unknown"
		if s.Filters != nil {
			n = fmt.Sprint(*s.Filters)
		}
		c.note("seccomp: mode %s, number of filters %s%s", s.Mode, n, c.contents())
	}
	c.note("landlock: no kernel tells whether the process is in a domain")
	c.note("caps.securebits, keyrings: the kernel tells a process only its own")
	for _, what := range slices.Sorted(maps.Keys(c.other.Unreadable)) {
		why := c.other.Unreadable[what]
		if section, ok := strings.CutSuffix(what, ".threads"); ok {
			c.note("%s: %s", section, why)
		}
		if slices.Contains([]string{"mounts", "limits", "cgroups", "ids.uid_map", "ids.gid_map", "root.names", "root.cwd", "root.command"}, what) {
			c.note("%s: not readable: %s", what, why)
		}
	}
}

// contents says what filters do, in the chain or after a note.
func (c *composer) contents() string {
	why, unread := c.other.Unreadable["seccomp.contents"]
	switch list := c.other.Seccomp.Contents; {
	case unread:
		return "; " + why
	case len(list) == 0:
		return "; --filters reads what they do"
	default:
		text := ""
		for i, f := range list {
			for _, r := range f.rows(i + 1) {
				text += "; " + r.name + ": " + r.value
			}
		}
		return text
	}
}

// escaped is a path in a value with colons and commas.
func escaped(path string) string { return string(getopt.Escape(path, ":,")) }
