package systemd

import (
	"errors"
	"strings"
)

// A command is one of ExecStart=.
type command struct {
	Assignment
	words []string
	// argv0 is the first argument in place of the program's name, or "".
	argv0 string
	// ignored is set if it does not matter how the command ends, privileged if it is not
	// restricted, and keepUser if only its user is not changed.
	ignored, privileged, keepUser bool
}

// commands are those of ExecStart=.
func (c *compiler) commands() (list []command) {
	for _, a := range c.given["ExecStart"] {
		words, err := splitWords(a.Value)
		if err != nil {
			c.fail(a, err)
			return nil
		}
		for len(words) > 0 {
			n := len(words)
			for i, w := range words {
				if w == ";" {
					n = i
					break
				}
			}
			cmd, err := c.command(a, words[:n])
			if err != nil {
				c.fail(a, err)
			}
			list = append(list, cmd)
			words = words[min(n+1, len(words)):]
		}
	}
	return list
}

// command reads the prefixes of a command, and replaces what is to be replaced in it.
func (c *compiler) command(a Assignment, words []string) (cmd command, err error) {
	cmd.Assignment = a
	if len(words) == 0 {
		return cmd, errors.New("an empty command")
	}
	rest := strings.TrimLeft(words[0], "@-:+!|")
	prefixes := words[0][:len(words[0])-len(rest)]
	has := func(p string) bool { return strings.Contains(prefixes, p) }
	switch {
	case has("|"):
		return cmd, errors.New("the shell of the user is not known here: write sh -c")
	case rest == "":
		return cmd, errors.New("a program is needed")
	case has("+") && has("!"):
		return cmd, errors.New("+ and ! cannot be combined")
	}
	cmd.ignored, cmd.privileged = has("-"), has("+")
	cmd.keepUser = has("!") && !has("!!") // two of them change nothing where there are ambient capabilities
	words = append([]string{rest}, words[1:]...)
	for i, w := range words {
		if w == `\;` {
			w = ";"
		}
		if w, err = c.specifiers(w); err != nil {
			return cmd, err
		}
		if i == 0 || has(":") {
			cmd.words = append(cmd.words, w)
		} else {
			cmd.words = append(cmd.words, c.expand(a, w)...)
		}
	}
	if has("@") {
		if len(cmd.words) < 2 {
			return cmd, errors.New("after @ the first argument is needed")
		}
		cmd.argv0 = cmd.words[1]
		cmd.words = append(cmd.words[:1:1], cmd.words[2:]...)
	}
	if p := cmd.words[0]; strings.Contains(p, "/") && p[0] != '/' {
		return cmd, errors.New("the program is neither a name nor an absolute path")
	}
	return cmd, nil
}

// redirections are those of the shell for the standard descriptors.
func (c *compiler) redirections() string {
	var b strings.Builder
	for _, d := range []struct{ name, number, byDefault string }{{"StandardInput", "<", "null"}, {"StandardOutput", ">", ""}, {"StandardError", "2>", ""}} {
		a, ok := c.one(d.name)
		if !ok {
			a.Value = d.byDefault
		}
		kind, file, _ := strings.Cut(a.Value, ":")
		switch {
		case a.Value == "", a.Value == "inherit" && d.name == "StandardOutput" && c.text("StandardInput") == "", a.Value == "inherit" && d.name == "StandardError":
			continue
		case a.Value == "null":
			file = "/dev/null"
		case kind == "append" && d.number != "<":
			d.number += ">"
		case kind == "file" && d.number != "<":
			// It is not emptied, and both for reading and writing.
			d.number = strings.TrimSuffix(d.number, ">") + "<>"
			if d.name == "StandardOutput" {
				d.number = "1<>"
			}
		case (kind == "file" || kind == "truncate") && file != "":
		case strings.HasPrefix(kind, "journal"), strings.HasPrefix(kind, "kmsg"), strings.HasPrefix(kind, "syslog"):
			c.managed = append(c.managed, d.name+"="+kind)
			continue
		default:
			c.note(unsaid, a, "the shell's own remains")
			continue
		}
		if !strings.HasPrefix(file, "/") {
			c.failf(a, "not an absolute path")
		}
		b.WriteString(" " + d.number + quote(file))
	}
	return b.String()
}
