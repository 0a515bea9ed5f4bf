package setuser

import (
	"errors"
	"fmt"
	"strings"

	"hk/pkg/getopt"
	"hk/pkg/plan"
	"hk/pkg/stage"
)

// A Change is a change of the payload's environment. The changes of a stage are made in
// order.
type Change struct {
	Do Action
	// Name is the variable, and Value is its new value.
	Name, Value string
}

// An Action is what a Change does.
type Action uint8

const (
	// Clear removes all variables.
	Clear Action = iota + 1
	// Set gives a variable a value.
	Set
	// Keep restores a variable to what it was before the stage; it is removed if it was
	// not set then.
	Keep
	// Unset removes a variable.
	Unset
	// Directory gives a variable the working directory that the stage finds.
	Directory
	// Reset removes all variables except TERM, and sets HOME, SHELL, USER and LOGNAME to
	// those of the user in /etc/passwd of the current root, and PATH to a default.
	Reset
)

func (c *Credentials) environmentFlags(fs *getopt.Flags) {
	all := func(do Action) func(bool) error {
		return func(on bool) error {
			if on {
				c.Environment = append(c.Environment, Change{Do: do})
			}
			return nil
		}
	}
	fs.BoolFunc("clearenv", "", all(Clear))
	fs.BoolFunc("reset-env", "", all(Reset))
	change := func(do Action, name, value string) error {
		c.Environment = append(c.Environment, Change{do, name, value})
		return checkVariable(name)
	}
	fs.String("setenv", "", func(v string) error {
		name, value, given := strings.Cut(v, "=")
		if !given {
			return change(Keep, name, "")
		}
		return change(Set, name, value)
	})
	fs.BoolFunc("set-pwd", "", func(on bool) error {
		if on {
			c.Environment = append(c.Environment, Change{Do: Directory, Name: "PWD"})
		}
		return nil
	})
	fs.String("unsetenv", "", func(v string) error { return change(Unset, v, "") })
}

// args prints c as a flag.
func (c Change) args(a *getopt.Args) {
	switch c.Do {
	case Clear:
		a.Bool("clearenv", true)
	case Reset:
		a.Bool("reset-env", true)
	case Set:
		a.String("setenv", c.Name+"="+c.Value)
	case Keep:
		a.String("setenv", c.Name)
	case Directory:
		a.Bool("set-pwd", true)
	case Unset:
		a.String("unsetenv", c.Name)
	}
}

func checkVariable(name string) error {
	switch {
	case name == "":
		return errors.New("a variable without a name")
	case strings.ContainsAny(name, "=\x00"):
		return fmt.Errorf("%q is not a name of a variable", name)
	case name == "HK_CHAIN":
		return errors.New("this variable is hk's own: see hk-chain(7)")
	}
	return nil
}

// planEnvironment changes the environment that the plan passes on. user is what a reset
// needs.
func (c *Credentials) planEnvironment(s *stage.State, user *account) error {
	before := s.Env.Before()
	for _, e := range c.Environment {
		if e.Do != Clear && e.Do != Reset {
			if err := checkVariable(e.Name); err != nil {
				return err
			}
		}
		switch e.Do {
		case Clear:
			s.Env.Clear()
		case Reset:
			user.reset(&s.Env)
		case Set:
			s.Env.Set(plan.Var{Name: e.Name, Value: e.Value})
		case Directory:
			s.For("--set-pwd")
			dir := plan.WorkingDirectory(e.Name)
			s.Add(plan.Getcwd(dir).Gives(s.Plan.NewResult("length")))
			s.Env.Set(plan.Var{Name: e.Name, Buffer: dir})
			s.For("")
		case Keep:
			s.Env.Keep(e.Name, before)
		case Unset:
			s.Env.Unset(e.Name)
		default:
			return fmt.Errorf("unknown change %d of the environment", e.Do)
		}
	}
	return nil
}
