package hakoniwa

import (
	"fmt"
	"strings"

	"hk/pkg/idmap"
	"hk/pkg/setuser"

	"golang.org/x/sys/unix"
)

// credentials sets the user, the groups, the capabilities and the environment.
func (c *compiler) credentials(m *idmap.Maps) error {
	u := &c.user
	u.NoNewPrivs = !c.User.AllowNewPrivs
	u.Bounding, u.Inheritable, u.Ambient = c.User.Bounding, c.User.Inheritable, c.User.Ambient
	u.Caps, u.Groups, u.Securebits, u.Umask = c.User.Caps, c.User.Groups, c.User.Securebits, c.User.Umask
	if u.Caps != "" {
		if _, err := setuser.ParseCaps(u.Caps, c.Host.AllCaps(), c.Host.LastCap); err != nil {
			return fmt.Errorf("caps: %w", err)
		}
	}
	root := c.callerIs0(m)
	if c.User.Name != "" {
		user, err := setuser.ParseUser(c.User.Name)
		if err != nil {
			return fmt.Errorf("user: %w", err)
		}
		u.User, root = user, user.Name == "root" || user.Name == "0"
	}
	if u.Caps == "" {
		u.Caps = "none"
		if root {
			// What package managers and servers expect, and nothing by which the set-up
			// could be undone.
			u.Caps = "docker"
		}
	}
	c.groups(m)
	c.environment()
	return nil
}

// callerIs0 reports whether the caller has user ID 0 inside.
func (c *compiler) callerIs0(m *idmap.Maps) bool {
	if m.Auto {
		return true
	}
	if len(m.UID) == 0 {
		return c.Host.UID == 0
	}
	for _, r := range m.UID {
		if r.Inside == 0 {
			return !r.OutsideSet || r.Outside == c.Host.UID
		}
	}
	return false
}

// groups drops the caller's supplementary groups where hk-unshare has not done it: where
// more groups are mapped than the caller's own, the kernel allows it to an ordinary user.
// A user that is looked up inside has groups of its own, which root can always set.
func (c *compiler) groups(m *idmap.Maps) {
	alone := !m.Auto && (len(m.GID) == 0 || len(m.GID) == 1 && (!m.GID[0].CountSet || m.GID[0].Count == 1) &&
		(!m.GID[0].OutsideSet || m.GID[0].Outside == c.Host.GID))
	switch {
	case c.user.User != nil && alone && c.Host.Permitted>>unix.CAP_SETGID&1 != 0 && !c.Host.NoSetgroups():
		m.Setgroups = "allow"
	case c.user.User == nil && c.user.Groups == "" && !alone:
		c.user.Groups = "none"
	}
}

// environment sets the payload's environment, which has only what was asked for.
func (c *compiler) environment() {
	changes := []setuser.Change{{Do: setuser.Clear}}
	last := make(map[string]int, len(c.Env))
	own := false
	for i, e := range c.Env {
		last[e.Name] = i
		own = own || e.Value == nil
	}
	var has map[string]bool
	if own {
		has = make(map[string]bool, len(c.Host.Env))
		for _, v := range c.Host.Env {
			name, _, _ := strings.Cut(v, "=")
			has[name] = true
		}
	}
	for i, e := range c.Env {
		if last[e.Name] != i {
			continue
		}
		change := setuser.Change{Do: setuser.Set, Name: e.Name}
		switch {
		case e.Value != nil:
			change.Value = *e.Value
		case has[e.Name]:
			change.Do = setuser.Keep // its value is not printed
		}
		changes = append(changes, change)
	}
	c.user.Environment = changes
}
