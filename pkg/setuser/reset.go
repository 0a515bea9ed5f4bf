package setuser

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"hk/pkg/cause"
	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// defaultPath and rootPath are the PATH of setpriv --reset-env: login.defs(5).
const (
	defaultPath = "/usr/local/bin:/bin:/usr/bin"
	rootPath    = "/usr/local/sbin:/usr/local/bin:/sbin:/bin:/usr/sbin:/usr/bin"
)

// maxEntry is the maximum size of a variable from /etc/passwd: the kernel's PATH_MAX.
const maxEntry = 4096

// An account is the supervisor step that looks up the variables of a user in /etc/passwd.
type account struct {
	// user is a name or an ID, or "" for the current user, whose ID euid is.
	user       string
	euid, root *plan.Result
	vars       []plan.Var
}

// planAccount adds the step if a reset asks for it, or returns nil. It must come before the IDs
// change: the file may be one that the new user must not read.
func (c *Credentials) planAccount(s *stage.State) (*account, error) {
	if !c.resets() {
		return nil, nil
	}
	s.For("--reset-env")
	defer s.For("")
	a := &account{}
	path, who := defaultPath, "the current user"
	switch {
	case c.User.changes():
		a.user, who = c.User.Name, c.User.Name
		if c.User.isRoot() {
			path = rootPath
		}
	case s.Unmapped():
		return nil, cause.Because(cause.Unmapped, errors.New("--reset-env: no user ID is mapped in this user namespace: hk-idmap must come first"))
	default:
		a.euid = s.Plan.NewResult("euid")
		s.Add(plan.Geteuid().Gives(a.euid))
		if s.Cred.Root {
			path = rootPath
		}
	}
	for _, name := range []string{"HOME", "SHELL", "USER", "LOGNAME"} {
		a.vars = append(a.vars, plan.Var{Name: name, Buffer: plan.Reserve("$"+name, maxEntry)})
	}
	a.root = s.Open("root", plan.Openat(plan.AtCwd(), "/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0))
	s.Plan.AddStep(plan.Step{Stage: s.Name, Do: a.do, Takes: []*plan.Result{a.root},
		Text: fmt.Sprintf("look up the name, the home directory and the shell of %s in /etc/passwd of the current root", who)})
	s.Add(plan.Close(a.root))
	a.vars = append(a.vars, plan.Var{Name: "PATH", Value: path})
	return a, nil
}

func (c *Credentials) resets() bool {
	for _, e := range c.Environment {
		if e.Do == Reset {
			return true
		}
	}
	return false
}

// reset makes the environment that of a new login: TERM is kept.
func (a *account) reset(env *stage.Environment) {
	before := env.Before()
	env.Clear()
	env.Keep("TERM", before)
	for _, v := range a.vars {
		env.Set(v)
	}
}

func (a *account) do(at plan.Context) error {
	user := a.user
	if user == "" {
		user = strconv.FormatInt(at.Result(a.euid), 10)
	}
	d, err := readDatabase(at.FD(a.root), database{path: "etc/passwd", fields: 7, ids: 2, wants: []string{user}})
	if err != nil {
		return err
	}
	line := d.find(user)
	if line == nil {
		err := fmt.Errorf("%s is not in /etc/passwd of the current root", user)
		if text := d.malformed(); text != "" {
			err = fmt.Errorf("%w; %s", err, text)
		}
		return err
	}
	values, err := variables(line)
	if err != nil {
		return fmt.Errorf("/etc/passwd of the current root: %s: %w", user, err)
	}
	for i, value := range values {
		at.Fill(a.vars[i].Buffer, []byte(a.vars[i].Name+"="+value))
	}
	return nil
}

// variables are HOME, SHELL, USER and LOGNAME for a line of passwd(5).
func variables(line []string) ([4]string, error) {
	name, home, shell := line[0], line[5], line[6]
	if home == "" {
		home = "/"
	}
	if shell == "" {
		shell = "/bin/sh"
	}
	for _, v := range []string{name, home, shell} {
		switch {
		case strings.ContainsRune(v, 0):
			return [4]string{}, errors.New("a null byte")
		case len("LOGNAME=")+len(v) >= maxEntry:
			return [4]string{}, fmt.Errorf("a field of %d bytes", len(v))
		}
	}
	return [4]string{home, shell, name, name}, nil
}
