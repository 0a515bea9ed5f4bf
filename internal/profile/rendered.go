package profile

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// An Action is what a template asks for on the host: fs_mkdir or fs_touch.
type Action struct {
	// Func is "fs_mkdir" or "fs_touch".
	Func string
	Path string
	// At is the FILE:LINE of the template.
	At string
}

// AppendRendered writes what the helper program prints: sources and actions, as fields
// that each have their length before them. [ParseRendered] reads it.
func AppendRendered(b []byte, sources []*Source, actions []Action) []byte {
	field := func(s string) {
		b = append(strconv.AppendInt(b, int64(len(s)), 10), ':')
		b = append(append(b, s...), '\n')
	}
	for _, s := range sources {
		field("source")
		field(s.Name)
		field(string(s.Text))
		field(strconv.Itoa(len(s.Lines)))
		last := ""
		for _, l := range s.Lines {
			// The same name as before is not repeated.
			if l.Name == last {
				field("")
			} else {
				field(l.Name)
			}
			last = l.Name
			field(strconv.Itoa(l.Line))
		}
	}
	for _, a := range actions {
		field("action")
		field(a.Func)
		field(a.Path)
		field(a.At)
	}
	field("end")
	return b
}

// ParseRendered reads what [AppendRendered] has written.
func ParseRendered(b []byte) (sources []*Source, actions []Action, err error) {
	f := fields{rest: string(b)}
	for {
		switch kind := f.next(); {
		case f.err != nil:
			return nil, nil, f.err
		case kind == "source":
			s := &Source{Name: f.next(), Text: []byte(f.next())}
			last := ""
			for n := f.number(); n > 0 && f.err == nil; n-- {
				name := f.next()
				if name == last && name != "" {
					f.err = errors.New("a name is repeated")
				}
				last = cmp.Or(name, last)
				s.Lines = append(s.Lines, Line{last, f.number()})
			}
			sources = append(sources, s)
		case kind == "action":
			a := Action{Func: f.next(), Path: f.next(), At: f.next()}
			if f.err == nil && a.Func != "fs_mkdir" && a.Func != "fs_touch" {
				f.err = fmt.Errorf("unknown action %q", a.Func)
			}
			actions = append(actions, a)
		case kind != "end" || f.rest != "" || len(sources) == 0:
			return nil, nil, errors.New("not what was to be rendered")
		default:
			return sources, actions, nil
		}
	}
}

// fields are texts with their lengths. After an error they are empty.
type fields struct {
	rest string
	err  error
}

func (f *fields) next() string {
	if f.err != nil {
		return ""
	}
	digits, rest, ok := strings.Cut(f.rest, ":")
	n, err := strconv.ParseUint(digits, 10, 31)
	if !ok || err != nil || strconv.FormatUint(n, 10) != digits || uint64(len(rest)) <= n || rest[n] != '\n' {
		f.err = errors.New("a field without its length")
		return ""
	}
	f.rest = rest[n+1:]
	return rest[:n]
}

func (f *fields) number() int {
	text := f.next()
	n, err := strconv.ParseUint(text, 10, 31)
	if f.err == nil && (err != nil || strconv.FormatUint(n, 10) != text) {
		f.err = fmt.Errorf("%q is not a number", text)
	}
	return int(n)
}
