package bwrap

import (
	"fmt"
	"strconv"
	"strings"

	"hk/pkg/plan"
	"hk/pkg/setuser"

	"golang.org/x/sys/unix"
)

// parseCap is the name of a capability as hk-setuser has it. It is given as CAP_NAME or as a
// number.
func parseCap(text string) (string, error) {
	name := strings.ToLower(text)
	if name == "all" {
		return name, nil
	}
	if n, err := strconv.ParseUint(text, 10, 6); err == nil && n <= unix.CAP_LAST_CAP {
		name = strings.ToLower(plan.CapName(int(n)))
	}
	name, prefixed := strings.CutPrefix(name, "cap_")
	if _, err := setuser.ParseCaps("+"+name, 0, 63); err != nil || !prefixed {
		return "", fmt.Errorf("unknown cap: %s", text)
	}
	return name, nil
}

// credentials sets the capabilities and the environment. An ordinary user has no
// capabilities unless some are added; root keeps those that it has.
func (c *compiler) credentials() error {
	u := &c.user
	u.NoNewPrivs, u.Label = true, c.ExecLabel
	var words []string
	for _, cap := range c.Caps {
		switch all := cap.Name == "all"; {
		case all && cap.Drop:
			words = []string{"none"}
		case all:
			words = []string{"all"}
		case cap.Drop:
			words = append(words, "-"+cap.Name)
		default:
			words = append(words, "+"+cap.Name)
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
	case !c.newUser && (c.apart || c.mounts.Root != "" && c.mounts.Root != "/"):
		// With another root too there is a supervisor, for which CAP_SYS_PTRACE would be lost.
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
