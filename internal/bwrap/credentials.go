package bwrap

import (
	"fmt"
	"strings"

	"hk/pkg/setuser"
)

// checkCap returns an error if a capability is unknown.
func checkCap(name string) error {
	if strings.EqualFold(name, "ALL") {
		return nil
	}
	if _, err := setuser.ParseCaps("+"+name, 0, 63); err != nil {
		return fmt.Errorf("unknown cap: %s", name)
	}
	return nil
}

// credentials sets the capabilities and the environment. An ordinary user has no
// capabilities unless some are added; root keeps those that it has.
func (c *compiler) credentials() error {
	u := &c.user
	u.NoNewPrivs, u.Label = true, c.ExecLabel
	var words []string
	for _, cap := range c.Caps {
		switch all := strings.EqualFold(cap.Name, "ALL"); {
		case all && cap.Drop:
			words = []string{"none"}
		case all:
			words = []string{"all"}
		case cap.Drop:
			words = append(words, "-"+strings.ToLower(strings.TrimPrefix(strings.ToUpper(cap.Name), "CAP_")))
		default:
			words = append(words, "+"+strings.ToLower(strings.TrimPrefix(strings.ToUpper(cap.Name), "CAP_")))
		}
	}
	switch {
	case c.Host.UID != 0, c.othersMap() && c.UID > 0:
		if len(words) == 0 || words[0][0] == '-' {
			words = append([]string{"none"}, words...)
		}
		u.Caps = strings.Join(words, ",")
	case len(words) > 0:
		if words[0] != "none" {
			words = append([]string{"all"}, words...)
		}
		u.Caps = strings.Join(words, ",")
	case !c.newUser && c.apart:
		u.Caps = "keep"
	}
	c.environment()
	return nil
}

// environment sets the changes of the environment.
func (c *compiler) environment() {
	for _, e := range c.Env {
		change := setuser.Change{Do: setuser.Set, Name: e.Name, Value: e.Value}
		switch {
		case e.Clear:
			change = setuser.Change{Do: setuser.Clear}
		case e.Unset:
			change = setuser.Change{Do: setuser.Unset, Name: e.Name}
		}
		c.user.Environment = append(c.user.Environment, change)
	}
	c.user.Environment = append(c.user.Environment, setuser.Change{Do: setuser.Directory, Name: "PWD"})
}
