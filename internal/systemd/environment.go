package systemd

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"hk/pkg/setuser"
)

// A variable is one of the environment. It is kept if its value is that of the caller.
type variable struct {
	name, value string
	kept        bool
}

// searchPath is the PATH of the system manager. Where /bin is not a link, it is followed by
// splitPath.
const searchPath, splitPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", ":/sbin:/bin"

// environment sets the payload's environment, and what $NAME is in the command: variables
// of the manager, of Environment=, of the files of EnvironmentFile=, without those of
// UnsetEnvironment=.
func (c *compiler) environment() {
	c.set("PATH", searchPath)
	if fi, err := fs.Lstat(c.files, "bin"); err == nil && fi.IsDir() {
		c.set("PATH", searchPath+splitPath)
	}
	if list := c.words("ExecSearchPath"); len(list) > 0 {
		var dirs []string
		for _, i := range list {
			dirs = append(dirs, i.word)
		}
		c.set("PATH", strings.Join(dirs, ":"))
	}
	c.login()
	for _, d := range c.created {
		c.set(d.variable, d.paths)
	}
	for _, i := range c.words("PassEnvironment") {
		c.variables = append(c.variables, variable{name: i.word, kept: true})
	}
	c.notify()
	for _, i := range c.words("Environment") {
		name, value, ok := strings.Cut(i.word, "=")
		if !ok || !validName(name) {
			c.failf(i.Assignment, "%q is not NAME=VALUE", i.word)
		}
		c.set(name, value)
	}
	for _, i := range c.words("EnvironmentFile") {
		c.environmentFile(i)
	}
	c.expanding = slices.Clone(c.variables)
	for _, i := range c.words("UnsetEnvironment") {
		name, value, given := strings.Cut(i.word, "=")
		c.variables = slices.DeleteFunc(c.variables, func(v variable) bool {
			return v.name == name && (!given || !v.kept && v.value == value)
		})
	}
}

// set sets a variable, in the place of one with that name.
func (c *compiler) set(name, value string) {
	for i, v := range c.variables {
		if v.name == name {
			c.variables[i] = variable{name: name, value: value}
			return
		}
	}
	c.variables = append(c.variables, variable{name: name, value: value})
}

// notify keeps the variables by which a service notifies its manager, for a chain that is
// started by one.
func (c *compiler) notify() {
	if t := c.text("Type"); strings.HasPrefix(t, "notify") || c.text("NotifyAccess") != "" {
		c.variables = append(c.variables, variable{name: "NOTIFY_SOCKET", kept: true})
	}
	if c.text("WatchdogSec") != "" {
		c.variables = append(c.variables, variable{name: "WATCHDOG_USEC", kept: true}, variable{name: "WATCHDOG_PID", kept: true})
	}
}

func validName(name string) bool {
	return name != "" && (name[0] < '0' || name[0] > '9') && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}

// environmentFile adds the variables of a file, or of those that match a pattern. Its
// name may begin with a -, and it need not exist then.
func (c *compiler) environmentFile(i item) {
	name, optional := strings.CutPrefix(i.word, "-")
	if !path.IsAbs(name) {
		c.failf(i.Assignment, "not an absolute path")
		return
	}
	list, err := fs.Glob(c.files, path.Clean(name)[1:])
	if err != nil || len(list) == 0 {
		if !optional {
			c.fail(i.Assignment, errors.Join(err, fs.ErrNotExist))
		}
		return
	}
	for _, file := range list {
		text, err := read(c.files, "/"+file)
		if err != nil && !optional {
			c.fail(i.Assignment, err)
		}
		for _, v := range parseEnvironmentFile(text) {
			if validName(v.name) && !strings.ContainsRune(v.value, 0) {
				c.set(v.name, v.value)
			}
		}
	}
	c.note(unsaid, i.Assignment, "the values are those of now, and other users see them in /proc")
}

// parseEnvironmentFile parses a file of EnvironmentFile=: lines NAME=VALUE, with the quotes
// and backslashes of a shell. Other lines are ignored.
func parseEnvironmentFile(text string) (list []variable) {
	for text != "" {
		name, rest, ok := strings.Cut(text, "=")
		if i := strings.IndexByte(name, '\n'); i >= 0 || !ok {
			if i < 0 {
				break
			}
			text = text[i+1:]
			continue
		}
		name = strings.Trim(name, blanks)
		if name == "" || name[0] == '#' || name[0] == ';' {
			_, text, _ = strings.Cut(rest, "\n")
			continue
		}
		var value string
		value, text = environmentValue(rest)
		list = append(list, variable{name: name, value: value})
	}
	return list
}

// environmentValue is the value at the start of a text, and what comes after its line.
func environmentValue(text string) (value, rest string) {
	text = strings.TrimLeft(text, blanks)
	var b strings.Builder
	end, quote := 0, byte(0) // end is that of what must not be trimmed
	for i := 0; i < len(text); i++ {
		ch := text[i]
		switch {
		case quote == '\'' && ch != '\'':
			b.WriteByte(ch)
		case ch == '\\' && i+1 < len(text):
			i++
			switch {
			case text[i] == '\n':
			case quote == '"' && strings.IndexByte("\"\\`$", text[i]) < 0:
				b.WriteByte('\\')
				b.WriteByte(text[i])
			default:
				b.WriteByte(text[i])
			}
			end = b.Len()
		case quote != 0 && ch == quote:
			quote, end = 0, b.Len()
		case quote != 0:
			b.WriteByte(ch)
		case ch == '\n':
			return b.String()[:end] + strings.TrimRight(b.String()[end:], blanks), text[i+1:]
		case (ch == '"' || ch == '\'') && b.Len() == 0:
			quote = ch
		default:
			b.WriteByte(ch)
		}
	}
	return b.String()[:end] + strings.TrimRight(b.String()[end:], blanks), ""
}

// changes are the changes of the environment for hk-setuser.
func (c *compiler) changes() []setuser.Change {
	list := []setuser.Change{{Do: setuser.Clear}}
	for _, v := range c.variables {
		if v.kept {
			list = append(list, setuser.Change{Do: setuser.Keep, Name: v.name})
		} else {
			list = append(list, setuser.Change{Do: setuser.Set, Name: v.name, Value: v.value})
		}
	}
	return list
}

// expand replaces ${NAME} in a word, and a word $NAME by the words of its value, as the
// manager does in a command; $$ is a dollar sign.
func (c *compiler) expand(a Assignment, word string) (list []string) {
	if name := strings.TrimPrefix(word, "$"); name != word && validName(name) {
		words, err := splitWords(c.value(a, name))
		if err != nil {
			c.fail(a, err)
		}
		return words
	}
	var b strings.Builder
	for i := 0; i < len(word); i++ {
		end := strings.IndexByte(word[i:], '}')
		switch {
		case strings.HasPrefix(word[i:], "$$"):
			b.WriteByte('$')
			i++
		case strings.HasPrefix(word[i:], "${") && end > 0:
			b.WriteString(c.value(a, word[i+2:i+end]))
			i += end
		default:
			b.WriteByte(word[i])
		}
	}
	return []string{b.String()}
}

// value is that of a variable in a command.
func (c *compiler) value(a Assignment, name string) string {
	for _, v := range c.expanding {
		if v.name == name && !v.kept {
			return v.value
		}
	}
	c.note(unsaid, a, "$"+name+" is not known here, and is empty")
	return ""
}
