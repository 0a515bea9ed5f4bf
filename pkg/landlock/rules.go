package landlock

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"hk/pkg/getopt"
	"hk/pkg/host"
)

// maxRules is more than the size of a file of rules can be.
const maxRules = 4 << 20

// readRules reads a file of flags, one in a line.
func (r *Ruleset) readRules(name string) error {
	f, err := host.OpenInput(name)
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxRules+1))
	switch {
	case err != nil:
		return errors.Unwrap(err)
	case len(data) > maxRules:
		return fmt.Errorf("more than %d bytes", maxRules)
	}
	return r.parseRules(string(data))
}

// parseRules parses the text of such a file: a flag with its value, to the end of the line,
// which is not quoted. Empty lines, and those that start with #, are skipped.
func (r *Ruleset) parseRules(text string) error {
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimLeft(line, " \t")
		if line == "" || line[0] == '#' {
			continue
		}
		if err := r.parseRule(line); err != nil {
			return fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	return nil
}

func (r *Ruleset) parseRule(line string) error {
	if strings.IndexByte(line, 0) >= 0 {
		return errors.New("a null byte")
	}
	name, value, has := line, "", false
	if i := strings.IndexAny(line, " \t="); i >= 0 {
		name, value, has = line[:i], line[i+1:], true
		if line[i] != '=' {
			value = strings.TrimLeft(value, " \t")
		}
	}
	if !strings.HasPrefix(name, "--") || name == "--" {
		return fmt.Errorf("%q is not a flag", name)
	}
	value, err := unescape(value)
	if err != nil {
		return err
	}
	var fs getopt.Flags
	r.ruleFlags(&fs)
	words := []string{name}
	if has {
		words[0] += "=" + value
	}
	_, err = fs.Parse(words)
	return err
}

// unescape undoes escape.
func unescape(v string) (string, error) {
	if !strings.Contains(v, `\x`) {
		return v, nil
	}
	var b strings.Builder
	for i := 0; i < len(v); i++ {
		switch {
		case strings.HasPrefix(v[i:], `\\`):
			b.WriteString(`\\`)
			i++
		case strings.HasPrefix(v[i:], `\x`):
			n, err := strconv.ParseUint(v[i+2:min(i+4, len(v))], 16, 8)
			if err != nil || i+4 > len(v) || n == 0 {
				return "", fmt.Errorf(`%q: two hexadecimal digits come after \x`, v)
			}
			b.WriteString(string(getopt.Escape(string([]byte{byte(n)}), `:,=`)))
			i += 3
		default:
			b.WriteByte(v[i])
		}
	}
	return b.String(), nil
}

// escape writes the value of a flag for a line of a file: what cannot be printed is \xHH.
func escape(v string) string {
	var b strings.Builder
	for i, c := range v {
		_, size := c, len(string(c))
		if c == '\uFFFD' && !strings.HasPrefix(v[i:], "\uFFFD") {
			size = 1
		}
		if size > 1 && strconv.IsPrint(c) || size == 1 && c >= ' ' && c <= '~' {
			b.WriteString(v[i : i+size])
			continue
		}
		for _, x := range []byte(v[i : i+size]) {
			fmt.Fprintf(&b, `\x%02x`, x)
		}
	}
	return b.String()
}
