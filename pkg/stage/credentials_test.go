package stage

import "testing"

const (
	chown    = 1 << 0
	setpcap  = 1 << 8
	netAdmin = 1 << 12
	sysAdmin = 1 << 21
	every    = 1<<41 - 1
)

// TestCredentials has the rules of capabilities(7), one by one, written down by hand.
func TestCredentials(t *testing.T) {
	root := Credentials{Root: true, Permitted: every, Effective: every, Bounding: every}
	user := Credentials{Bounding: every}
	ambient := Credentials{Permitted: chown, Effective: chown, Inheritable: chown, Ambient: chown, Bounding: every}
	with := func(c Credentials, change func(*Credentials)) Credentials { change(&c); return c }
	type credentials = Credentials
	execve := credentials.Execve
	toUser := func(c credentials) credentials { return c.Setresuid(false) }
	toRoot := func(c credentials) credentials { return c.Setresuid(true) }
	for _, c := range []struct {
		name  string
		start Credentials
		do    func(credentials) credentials
		want  Credentials
	}{
		{"execve as root", root, execve, root},
		{"execve as a user", user, execve, user},
		{"execve loses what is permitted only",
			with(ambient, func(c *Credentials) { c.Permitted |= netAdmin; c.Effective |= netAdmin }), execve, ambient},
		{"execve keeps the inheritable set",
			with(user, func(c *Credentials) { c.Inheritable = chown }), execve, with(user, func(c *Credentials) { c.Inheritable = chown })},
		{"execve gives root the bounding set", Credentials{Root: true, Bounding: chown | netAdmin}, execve,
			Credentials{Root: true, Permitted: chown | netAdmin, Effective: chown | netAdmin, Bounding: chown | netAdmin}},
		{"execve gives root what is inheritable, outside of the bounding set too",
			Credentials{Root: true, Inheritable: netAdmin, Bounding: chown}, execve,
			Credentials{Root: true, Permitted: chown | netAdmin, Effective: chown | netAdmin, Inheritable: netAdmin, Bounding: chown}},
		{"execve with no_new_privs gives root nothing", Credentials{Root: true, Permitted: chown, Bounding: every, NoNewPrivs: true}, execve,
			Credentials{Root: true, Permitted: chown, Effective: chown, Bounding: every, NoNewPrivs: true}},
		{"execve with no_new_privs takes from root what is not in the bounding set",
			Credentials{Root: true, Permitted: chown | netAdmin, Effective: chown, Bounding: chown, NoNewPrivs: true}, execve,
			Credentials{Root: true, Permitted: chown, Effective: chown, Bounding: chown, NoNewPrivs: true}},
		{"execve with SECBIT_NOROOT is that of a user",
			with(root, func(c *Credentials) { c.Securebits = SecbitNoRoot }), execve,
			Credentials{Root: true, Bounding: every, Securebits: SecbitNoRoot}},
		{"execve clears SECBIT_KEEP_CAPS",
			with(user, func(c *Credentials) { c.Securebits = SecbitKeepCaps }), execve, user},

		{"leave user ID 0", with(root, func(c *Credentials) { c.Inheritable, c.Ambient = chown, chown }), toUser,
			Credentials{Inheritable: chown, Bounding: every}},
		{"leave user ID 0 with SECBIT_KEEP_CAPS",
			with(root, func(c *Credentials) { c.Securebits, c.Inheritable, c.Ambient = SecbitKeepCaps, chown, chown }), toUser,
			Credentials{Permitted: every, Inheritable: chown, Bounding: every, Securebits: SecbitKeepCaps}},
		{"leave user ID 0 with SECBIT_NO_SETUID_FIXUP",
			with(root, func(c *Credentials) { c.Securebits, c.Ambient = SecbitNoSetuidFixup, chown }), toUser,
			Credentials{Permitted: every, Effective: every, Ambient: chown, Bounding: every, Securebits: SecbitNoSetuidFixup}},
		{"leave another user ID", ambient, toUser, ambient},
		{"stay user ID 0", root, toRoot, root},
		{"become user ID 0", with(ambient, func(c *Credentials) { c.Effective = 0 }), toRoot,
			with(ambient, func(c *Credentials) { c.Root = true })},

		{"capset takes from the ambient set", with(ambient, func(c *Credentials) { c.Ambient |= netAdmin }),
			func(c credentials) credentials { return c.Capset(0, chown, chown|netAdmin) },
			Credentials{Permitted: chown, Inheritable: chown | netAdmin, Ambient: chown, Bounding: every}},
		{"capset of no inheritable capability", ambient,
			func(c credentials) credentials { return c.Capset(chown, chown, 0) },
			Credentials{Permitted: chown, Effective: chown, Bounding: every}},
		{"drop from the bounding set", ambient, func(c credentials) credentials { return c.DropBounding(0) },
			with(ambient, func(c *Credentials) { c.Bounding = every &^ chown })},
		{"make ambient", with(ambient, func(c *Credentials) { c.Ambient = 0 }),
			func(c credentials) credentials { return c.RaiseAmbient(chown) }, ambient},
		{"make no longer ambient", with(ambient, func(c *Credentials) { c.Ambient |= netAdmin }),
			func(c credentials) credentials { return c.LowerAmbient(netAdmin) }, ambient},
		{"set securebits", root, func(c credentials) credentials { return c.SetSecurebits(SecbitNoRoot) },
			with(root, func(c *Credentials) { c.Securebits = SecbitNoRoot })},
		{"enter a user namespace",
			with(ambient, func(c *Credentials) { c.Securebits, c.NoNewPrivs = SecbitNoRoot, true }),
			func(c credentials) credentials { return c.EnterUserNS(every) },
			Credentials{Permitted: every, Effective: every, Bounding: every, NoNewPrivs: true}},
	} {
		if got := c.do(c.start); got != c.want {
			t.Errorf("%s: %+v -> %+v; want %+v", c.name, c.start, got, c.want)
		}
	}
}
