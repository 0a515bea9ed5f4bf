package execdeps

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// headSize is BINPRM_BUF_SIZE: the part of a script that the kernel examines. The last
// byte can only end a word.
const headSize = 256

// Script returns the interpreter that the first bytes of a file name, of which 256 suffice.
// ok is false if it is not a script that the kernel executes.
func Script(head []byte) (interp string, ok bool) {
	interp, _, ok, err := parseShebang(head)
	return interp, ok && err == nil
}

// parseShebang parses the first line of a script as the kernel does: an interpreter,
// and the rest as a single argument. ok is false if the file does not start with "#!".
func parseShebang(head []byte) (interp, arg string, ok bool, err error) {
	line, ok := strings.CutPrefix(string(head[:min(len(head), headSize)]), "#!")
	if !ok {
		return "", "", false, nil
	}
	line, _, whole := strings.Cut(line, "\n")
	line, _, null := strings.Cut(line, "\x00")
	line = strings.TrimLeft(line, " \t")
	i := strings.IndexAny(line, " \t")
	if !whole && !null && len(head) >= headSize {
		if i < 0 {
			return "", "", true, errors.New("the interpreter's name after #! is too long")
		}
		line = line[:len(line)-1]
	}
	if i >= 0 {
		line, arg = line[:i], strings.Trim(line[i:], " \t")
	}
	if line == "" {
		return "", "", true, errors.New("no interpreter after #!")
	}
	if !path.IsAbs(line) {
		return "", "", true, fmt.Errorf("the interpreter %q after #! is not an absolute path", line)
	}
	return line, arg, true, nil
}

// An envCall is what env(1) does when it is given arg from the first line of a script:
// it executes program in an environment, and possibly a directory, that it sets up.
type envCall struct {
	program string
	clear   bool
	vars    []string // NAME=VALUE, or NAME to unset it
	dir     string
}

func parseEnv(arg string) (envCall, error) {
	var c envCall
	words := []string{arg}
	if rest, clear, ok := splitString(arg); ok {
		var err error
		if words, err = splitWords(rest); err != nil {
			return c, fmt.Errorf("env %s: %w", arg, err)
		}
		c.clear = clear
	}
	options := true
	for i := 0; i < len(words); i++ {
		w := words[i]
		if !options || !strings.HasPrefix(w, "-") {
			options = false
			if strings.Contains(w, "=") {
				c.vars = append(c.vars, w)
				continue
			}
			c.program = w
			break
		}
		switch {
		case w == "--":
			options = false
		case w == "-":
			c.clear, options = true, false
		case w == "-i" || w == "--ignore-environment":
			c.clear = true
		case w == "-v" || w == "--debug":
		case (w == "-u" || w == "--unset") && i+1 < len(words):
			i++
			c.vars = append(c.vars, words[i])
		case (w == "-C" || w == "--chdir") && i+1 < len(words):
			i++
			c.dir = words[i]
		case strings.HasPrefix(w, "--unset="):
			c.vars = append(c.vars, w[len("--unset="):])
		case strings.HasPrefix(w, "-u"):
			c.vars = append(c.vars, w[len("-u"):])
		default:
			return c, fmt.Errorf("env %s: %s cannot be followed", arg, w)
		}
	}
	if c.program == "" {
		return c, fmt.Errorf("env %s: names no program", arg)
	}
	return c, nil
}

// within calls look with the finder in the environment of the program.
func (c envCall) within(f *Finder, look func() error) error {
	defer func(env Environment) { f.Env = env }(f.Env)
	if c.clear {
		f.Env.Path, f.Env.LibraryPath = "", ""
	}
	for _, v := range c.vars {
		switch name, value, _ := strings.Cut(v, "="); name {
		case "PATH":
			f.Env.Path = value
		case "LD_LIBRARY_PATH":
			f.Env.LibraryPath = value
		}
	}
	if c.dir != "" {
		to, ok := f.absolute(c.dir)
		if !ok {
			to = ""
		}
		f.Env.Dir = to
	}
	return look()
}

// splitString is the text after -S, -vS or --split-string of env(1), and whether -i is
// given too.
func splitString(arg string) (text string, clear, ok bool) {
	for _, option := range []string{"-S", "-vS", "-iS", "-ivS", "-viS", "--split-string="} {
		if rest, ok := strings.CutPrefix(arg, option); ok {
			return rest, option[1] != '-' && strings.Contains(option, "i"), true
		}
	}
	return "", false, false
}

// splitWords splits text into words as env -S does, except for variables.
func splitWords(s string) ([]string, error) {
	var words []string
	var b strings.Builder
	in, quote := false, byte(0)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"'):
			quote, in = c, true
		case quote == 0 && strings.IndexByte(" \t\v\f\r", c) >= 0:
			if in {
				words = append(words, b.String())
				b.Reset()
				in = false
			}
		case quote == 0 && !in && c == '#':
			return words, nil
		case quote != '\'' && c == '$':
			return nil, errors.New("a variable cannot be followed")
		case c == '\\' && i+1 < len(s) && (quote != '\'' || s[i+1] == '\'' || s[i+1] == '\\'):
			i++
			if s[i] == 'c' && quote == 0 {
				if in {
					words = append(words, b.String())
				}
				return words, nil
			}
			if s[i] == '_' && quote == 0 {
				if in {
					words = append(words, b.String())
					b.Reset()
					in = false
				}
				continue
			}
			in = true
			if at := strings.IndexByte("fnrtv_", s[i]); at >= 0 {
				b.WriteByte("\f\n\r\t\v "[at])
			} else {
				b.WriteByte(s[i])
			}
		default:
			in = true
			b.WriteByte(c)
		}
	}
	if quote != 0 {
		return nil, errors.New("a quotation without an end")
	}
	if in {
		words = append(words, b.String())
	}
	return words, nil
}
