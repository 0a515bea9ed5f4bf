package hakoniwa

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"hk/internal/profile"
	"hk/internal/vis"
	"hk/pkg/filter"
	"hk/pkg/host"
	"hk/pkg/idmap"
	"hk/pkg/ids"
	"hk/pkg/landlock"
	"hk/pkg/netns"

	"golang.org/x/sys/unix"
)

// A config is the settings of a configuration file, as far as they have been read. Its
// first error is kept: it has a file and a line.
type config struct {
	Settings
	host *host.Host
	err  error
}

// readConfig reads a configuration file. A name without a slash and without a dot is that
// of an installed one, whatever is in the working directory. What templates ask for on the
// host is not done yet.
func readConfig(file string, h *host.Host) (Settings, error) { return readConfigBy(render, file, h) }

// readConfigBy is readConfig with what renders templates.
func readConfigBy(render func(*host.Host, string) ([]*profile.Source, []profile.Action, error), file string, h *host.Host) (Settings, error) {
	if !strings.ContainsAny(file, "/.") {
		path, err := h.Beside("profiles/"+file+".toml", "share/hk", 0)
		if err != nil {
			return Settings{}, fmt.Errorf("--config: there is no %w; a file in the working directory is ./%s", err, vis.Text(file))
		}
		file = path
	}
	p, err := profile.Load(file, func(file string) ([]*profile.Source, []profile.Action, error) { return render(h, file) })
	if err != nil {
		return Settings{}, err
	}
	s, err := settings(p, h)
	s.Actions = p.Actions
	return s, err
}

// settings returns what a configuration file says. Unlike a command line, it has no
// default root.
func settings(p *profile.Profile, h *host.Host) (Settings, error) {
	c := &config{host: h}
	c.root(p)
	c.mounts(p.Mounts)
	c.filesystem(p.Filesystem)
	c.ids(p)
	c.user(p.User)
	c.network(p)
	c.limits(p)
	c.landlock(p.Landlock)
	c.seccomp(p.Seccomp)
	c.process(p)
	for _, e := range p.Envs {
		if e.Name == "" || strings.ContainsAny(e.Name, "=\x00") {
			c.fail(e.Errorf("name", "%q is not the name of a variable", e.Name))
		}
		if e.Value != nil {
			c.text(e.Place, "value", *e.Value)
		}
		c.Env = append(c.Env, Env{e.Name, e.Value})
	}
	return c.Settings, c.err
}

// fail keeps the first error.
func (c *config) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

// text refuses a null byte, which no argument of a system call can have.
func (c *config) text(at profile.Place, key, value string) string {
	if strings.ContainsRune(value, 0) {
		c.fail(at.Errorf(key, "a null byte"))
	}
	return value
}

// word refuses an empty value: it would be the default, which may be more than nothing.
func (c *config) word(at profile.Place, key string, value *string) string {
	if value == nil {
		return ""
	}
	if *value == "" {
		c.fail(at.Errorf(key, "an empty value: leave it out, or write none"))
	}
	return c.text(at, key, *value)
}

// path refuses what is not an absolute path.
func (c *config) path(at profile.Place, key, value string) string {
	if err := absolute(value); err != nil {
		c.fail(at.Wrap(key, err))
	}
	return c.text(at, key, value)
}

// oneOf refuses a word that is not in a list.
func (c *config) oneOf(at profile.Place, key, value string, words ...string) string {
	if !slices.Contains(words, value) {
		c.fail(at.Errorf(key, "%q is not one of %s", value, strings.Join(words, ", ")))
	}
	return value
}

func (c *config) root(p *profile.Profile) {
	if r := p.Rootdir; r != nil {
		if r.Path == "" {
			c.fail(r.Errorf("path", "an empty path"))
		}
		c.Root.Dir, c.Root.Writable = c.text(r.Place, "path", r.Path), r.Writable
		c.Root.Place = r.Place
	}
	if p.Rootfs != nil {
		if *p.Rootfs == "" {
			c.fail(p.Errorf("rootfs", "an empty path"))
		}
		c.Root.FS = c.text(p.Place, "rootfs", *p.Rootfs)
	}
	c.Hostname = c.name(p, "hostname", p.Hostname)
	c.Domainname = c.name(p, "domainname", p.Domainname)
	for _, n := range p.Namespaces {
		c.oneOf(n.Place, "type", n.Type, "cgroup", "ipc", "network", "uts", "time")
		c.Namespaces = append(c.Namespaces, Namespace{n.Type, n.Share})
	}
	if t := p.Time; t != nil {
		c.Process.Monotonic, c.Process.Boottime = &t.Monotonic, &t.Boottime
	}
}

func (c *config) name(p *profile.Profile, key string, name *string) string {
	if name == nil {
		return ""
	}
	if n := len(*name); n == 0 || n > 64 || strings.ContainsRune(*name, 0) {
		c.fail(p.Errorf(key, "a name has 1 to 64 bytes"))
	}
	return *name
}

func (c *config) ids(p *profile.Profile) {
	add := func(list []profile.IDMap, self uint32, to *[]idmap.Range) {
		for _, m := range list {
			if m.ContainerID == nil {
				c.fail(m.Errorf("container_id", "it is needed"))
				continue
			}
			r := idmap.Range{Extent: ids.Extent{Inside: *m.ContainerID, Outside: self, Count: 1}, OutsideSet: m.Count != nil}
			if m.HostID != nil {
				r.Outside, r.OutsideSet = *m.HostID, true
			}
			if m.Count != nil {
				r.Count, r.CountSet = *m.Count, true
			}
			if _, err := idmap.ParseRange(r.String()); err != nil {
				c.fail(m.Wrap("", err))
			}
			*to = append(*to, r)
		}
	}
	add(p.UIDMaps, c.host.UID, &c.IDs.UID)
	add(p.GIDMaps, c.host.GID, &c.IDs.GID)
}

func (c *config) user(u *profile.User) {
	if u == nil {
		return
	}
	c.IDs.Auto = u.Subids
	c.User = User{Name: c.word(u.Place, "name", u.Name), Caps: c.word(u.Place, "caps", u.Caps), AllowNewPrivs: u.AllowNewPrivs,
		Groups: c.word(u.Place, "groups", u.Groups), Securebits: c.word(u.Place, "securebits", u.Securebits),
		Bounding: c.word(u.Place, "bounding", u.Bounding), Inheritable: c.word(u.Place, "inheritable", u.Inheritable),
		Ambient: c.word(u.Place, "ambient", u.Ambient)}
	if u.Umask != nil {
		n, err := strconv.ParseUint(*u.Umask, 8, 32)
		if err != nil || n > 0o777 {
			c.fail(u.Errorf("umask", "%q is not an octal mask from 0 to 777", *u.Umask))
		}
		mask := uint32(n)
		c.User.Umask = &mask
	}
}

func (c *config) network(p *profile.Profile) {
	n := p.Network
	if n == nil {
		return
	}
	c.oneOf(n.Place, "mode", n.Mode, "none", "host", "pasta")
	if len(n.Options) > 0 && n.Mode != "pasta" {
		c.fail(n.Errorf("options", "%s takes no options", n.Mode))
	}
	for _, o := range n.Options {
		c.text(n.Place, "options", o)
	}
	c.Network = Network{Mode: n.Mode, Options: n.Options, Loopback: n.Loopback,
		Forward: c.forwards(n, "forward", n.Forward), Expose: c.forwards(n, "expose", n.Expose)}
}

func (c *config) forwards(n *profile.Network, key string, values []string) (list []netns.Forward) {
	for _, v := range values {
		f, err := netns.ParseForward(c.text(n.Place, key, v))
		if err != nil {
			c.fail(n.Errorf(key, "%v", err))
		}
		list = append(list, f)
	}
	return list
}

func (c *config) landlock(l *profile.Landlock) {
	if l == nil {
		return
	}
	to := &c.Landlock
	for _, r := range l.Resources {
		to.Resources = append(to.Resources, Resource{c.oneOf(r.Place, "type", r.Type, resources...), r.Unrestrict})
	}
	for _, r := range l.FS {
		rule := FSRule{Path: c.text(r.Place, "path", r.Path), Access: r.Access, Rights: strings.Join(r.Rights, "+")}
		switch _, err := rule.flag(landlock.DefaultABI); {
		case r.Access == "" && len(r.Rights) == 0:
			c.fail(r.Errorf("access", "it is needed"))
		case r.Access != "" && len(r.Rights) > 0:
			c.fail(r.Errorf("rights", "only one of access and rights"))
		case err != nil:
			c.fail(r.Wrap("", err))
		}
		to.FS = append(to.FS, rule)
	}
	for _, r := range l.Net {
		if r.Port == nil {
			c.fail(r.Errorf("port", "it is needed"))
			continue
		}
		to.Net = append(to.Net, NetRule{*r.Port, c.oneOf(r.Place, "access", r.Access, resources[1:]...)})
	}
	to.Scope, to.Closures = l.Scopes, l.ExecClosures
	to.IgnoreMissing = l.IgnoreMissing != nil && *l.IgnoreMissing
	to.BestEffort = l.BestEffort != nil && *l.BestEffort
	if l.ABI != nil {
		if to.ABI = *l.ABI; to.ABI < 1 {
			c.fail(l.Errorf("abi", "%d is not an ABI, which are counted from 1", to.ABI))
		}
	}
	to.Log = c.word(l.Place, "log", l.Log)
}

func (c *config) seccomp(s *profile.Seccomp) {
	if s == nil {
		return
	}
	to := &c.Seccomp
	to.Profile = c.word(s.Place, "path", s.Path)
	if s.Default != nil {
		act, err := filter.ParseAction(*s.Default)
		if err != nil {
			c.fail(s.Wrap("default", err))
		}
		to.Default = &act
	}
	for _, name := range s.Architectures {
		a, err := filter.ParseArch(name)
		if err != nil {
			c.fail(s.Wrap("architectures", err))
		}
		to.Arches = append(to.Arches, a)
	}
	actions := map[string]filter.Action{"allow": filter.Allow, "deny": filter.Errno(unix.EPERM), "kill": filter.KillProcess, "log": filter.Log}
	for _, r := range s.Rules {
		act := actions[c.oneOf(r.Place, "action", r.Action, "allow", "deny", "kill", "log")]
		rule, err := filter.ParseOverride(act, r.Syscalls)
		if err != nil {
			c.fail(r.Wrap("syscalls", err))
		}
		to.Rules = append(to.Rules, rule)
	}
}

func (c *config) process(p *profile.Profile) {
	if s := p.Process; s != nil {
		to := &c.Process
		to.Init, to.Setsid, to.Outlive, to.NoNested = s.Init, s.Setsid, s.Outlive, s.NoNestedUserns
	}
	cmd := p.Command
	if cmd == nil {
		return
	}
	if len(cmd.Cmdline) == 0 || cmd.Cmdline[0] == "" {
		c.fail(cmd.Errorf("cmdline", "a program is needed"))
	}
	for _, w := range cmd.Cmdline {
		c.text(cmd.Place, "cmdline", w)
	}
	c.Command.Words = cmd.Cmdline
	if cmd.Cwd != nil {
		c.Command.Dir = c.path(cmd.Place, "cwd", *cmd.Cwd)
	}
}
