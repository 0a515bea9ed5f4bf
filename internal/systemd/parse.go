// Package systemd compiles a unit of a service to a chain: what its directives mean, as
// systemd.exec(5) describes them, as stages, and a comment for each that no stage can
// express. It reads unit files and what they name, and changes nothing.
package systemd

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// An Assignment is a line NAME=VALUE of a unit file, in its section.
type Assignment struct {
	Section, Name, Value string
	// File and Line are where it begins.
	File string
	Line int
}

// at is the place of an assignment in a message.
func (a Assignment) at() string { return fmt.Sprintf("%s:%d", a.File, a.Line) }

const (
	blanks = " \t\r"
	// maxLine is the longest line, with all its continuations, in bytes.
	maxLine = 1 << 20
	// byteOrderMark may begin a file.
	byteOrderMark = "\uFEFF"
)

// Parse parses a unit file, systemd.syntax(7): the assignments in order. A backslash at the
// end of a line continues it on the next one that is not a comment. What is not a comment,
// the header of a section or an assignment in one is an error.
func Parse(file, text string) (list []Assignment, err error) {
	text = strings.TrimPrefix(text, byteOrderMark)
	section, logical, start := "", "", 0
	fail := func(line int, what string) error { return fmt.Errorf("%s:%d: %s", file, line, what) }
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		trimmed := strings.Trim(line, blanks)
		if trimmed != "" && (trimmed[0] == '#' || trimmed[0] == ';') && i < len(lines)-1 {
			continue
		}
		if start == 0 {
			start = i + 1
		}
		if trimmed == "" || trimmed[0] != '#' && trimmed[0] != ';' {
			logical += line
		}
		if len(logical) > maxLine {
			return nil, fail(start, "a line of more than a mebibyte")
		}
		if continues(logical) {
			logical = logical[:len(logical)-1] + " "
			if i < len(lines)-1 {
				continue
			}
		}
		a, header, problem := parseLine(strings.Trim(logical, blanks), section)
		switch {
		case problem != "":
			return nil, fail(start, problem)
		case header:
			section = a.Section
		case a.Name != "":
			a.File, a.Line = file, start
			list = append(list, a)
		}
		logical, start = "", 0
	}
	return list, nil
}

// continues reports whether a line ends in a backslash that is not itself escaped.
func continues(line string) bool {
	n := len(line) - len(strings.TrimRight(line, `\`))
	return n%2 == 1
}

// parseLine parses a whole line without blanks around it. Its name is empty if there is
// nothing in it.
func parseLine(line, section string) (a Assignment, header bool, problem string) {
	name, value, ok := strings.Cut(line, "=")
	name, value = strings.TrimRight(name, blanks), strings.TrimLeft(value, blanks)
	switch {
	case line == "":
		return a, false, ""
	case !utf8.ValidString(line) || strings.ContainsRune(line, 0):
		return a, false, "not UTF-8 text"
	case line[0] == '[' && (len(line) < 3 || line[len(line)-1] != ']'):
		return a, false, "the header of a section is [NAME]"
	case line[0] == '[':
		return Assignment{Section: line[1 : len(line)-1]}, true, ""
	case !ok || name == "":
		return a, false, "neither NAME=VALUE nor [SECTION]"
	case section == "":
		return a, false, name + "= is in no section"
	}
	return Assignment{Section: section, Name: name, Value: value}, false, ""
}

// Format writes assignments as a unit file.
func Format(list []Assignment) string {
	var b strings.Builder
	section := ""
	for _, a := range list {
		if a.Section != section {
			section = a.Section
			b.WriteString("[" + section + "]\n")
		}
		line := a.Name + "=" + a.Value
		if continues(line) {
			line += " "
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}
