package landlock

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// headSize is BINPRM_BUF_SIZE: what the kernel looks at of a script.
const headSize = 256

// parseShebang reads the first line of a script as the kernel does: an
// interpreter, and all that follows as one argument. ok is false if it does not
// start with "#!".
func parseShebang(head []byte) (interp, arg string, ok bool, err error) {
	line, ok := strings.CutPrefix(string(head[:min(len(head), headSize)]), "#!")
	if !ok {
		return "", "", false, nil
	}
	line, _, whole := strings.Cut(line, "\n")
	line, _, null := strings.Cut(line, "\x00")
	line = strings.TrimLeft(line, " \t")
	i := strings.IndexAny(line, " \t")
	if !whole && !null && len(head) >= headSize && i < 0 {
		return "", "", true, errors.New("the interpreter's name after #! is too long")
	}
	if i >= 0 {
		line, arg = line[:i], strings.Trim(line[i:], " \t")
	}
	if line == "" {
		return "", "", true, errors.New("no interpreter after #!")
	}
	if !path.IsAbs(line) {
		return "", "", true, fmt.Errorf("the interpreter %q after #! is no absolute path", line)
	}
	return line, arg, true, nil
}

// envProgram is the program that env(1) executes if it gets arg from the first
// line of a script.
func envProgram(arg string) (string, error) {
	words := []string{arg}
	if rest, ok := splitString(arg); ok {
		var err error
		if words, err = splitWords(rest); err != nil {
			return "", fmt.Errorf("env %s: %w", arg, err)
		}
	}
	for i := 0; i < len(words); i++ {
		w := words[i]
		switch {
		case w == "--":
			if i+1 < len(words) {
				return words[i+1], nil
			}
		case w == "-u" || w == "-C" || w == "--unset" || w == "--chdir":
			i++
		case w == "-" || w == "-i" || w == "-v" || w == "--ignore-environment" || w == "--debug",
			strings.HasPrefix(w, "--unset="), strings.HasPrefix(w, "-u"):
		case strings.HasPrefix(w, "-"):
			return "", fmt.Errorf("env %s: %s cannot be followed", arg, w)
		case w == "" || strings.Contains(w, "="):
		default:
			return w, nil
		}
	}
	return "", fmt.Errorf("env %s: names no program", arg)
}

// splitString is the text behind -S, -vS or --split-string of env(1).
func splitString(arg string) (string, bool) {
	for _, option := range []string{"-S", "-vS", "-iS", "-ivS", "-viS", "--split-string="} {
		if rest, ok := strings.CutPrefix(arg, option); ok {
			return rest, true
		}
	}
	return "", false
}

// splitWords takes words apart as env -S does, but for variables.
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
