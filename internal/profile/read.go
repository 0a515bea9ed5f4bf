package profile

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"hk/internal/vis"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
	"golang.org/x/sys/unix"
)

// MaxSize is how large a file may be, and how large with its templates rendered.
const MaxSize = 1 << 20

// A Render renders the templates of a file and of what it includes: the first source is
// the file, the others are what its @include names, in that order.
type Render func(path string) ([]*Source, []Action, error)

// Load reads a file and what it includes. Nothing but the files is read, and nothing is
// changed. An error is one line that begins with FILE:LINE, or with FILE if there is none.
func Load(path string, render Render) (*Profile, error) {
	text, err := readFile(path, false)
	if err != nil {
		return nil, err
	}
	if HasTemplates(text) {
		return rendered(path, render)
	}
	main := &Source{Name: path, Text: text}
	p, err := parse(main)
	if err != nil {
		return nil, err
	}
	var included []*Shared
	for i := range p.Include {
		name, err := p.IncludePath(path, i)
		if err != nil {
			return nil, err
		}
		text, err := ReadFile(name)
		if err != nil {
			return nil, p.Wrap("@include.#"+fmt.Sprint(i), err)
		}
		if HasTemplates(text) {
			return rendered(path, render)
		}
		s, err := parseIncluded(&Source{Name: name, Text: text})
		if err != nil {
			return nil, err
		}
		included = append(included, s)
	}
	p.merge(included)
	return p, nil
}

// rendered is Load for a file with templates.
func rendered(path string, render Render) (*Profile, error) {
	sources, actions, err := render(path)
	if err != nil {
		return nil, err
	}
	p, err := parse(sources[0])
	if err != nil {
		return nil, err
	}
	if len(sources) != len(p.Include)+1 {
		return nil, fmt.Errorf("%s: %d included files are rendered, but it names %d", path, len(sources)-1, len(p.Include))
	}
	var included []*Shared
	for _, s := range sources[1:] {
		shared, err := parseIncluded(s)
		if err != nil {
			return nil, err
		}
		included = append(included, shared)
	}
	p.merge(included)
	p.Actions = actions
	return p, nil
}

// HasTemplates reports whether a text has something that a template engine would replace.
func HasTemplates(text []byte) bool {
	for rest := text; ; {
		i := bytes.IndexByte(rest, '{')
		if i < 0 || i+1 == len(rest) {
			return false
		}
		switch rest[i+1] {
		case '{', '%', '#':
			return true
		}
		rest = rest[i+1:]
	}
}

// ReadFile reads a regular file.
func ReadFile(path string) ([]byte, error) { return readFile(path, true) }

// readFile reads a file that may be a configuration. The caller may give a pipe, but who
// owns a directory that is included from must not make hk-run wait for one.
func readFile(path string, regular bool) ([]byte, error) {
	flags := unix.O_RDONLY | unix.O_NOCTTY | unix.O_CLOEXEC
	if regular {
		flags |= unix.O_NONBLOCK
	}
	// Package os would start the runtime's poller.
	fd, err := unix.Open(path, flags, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", vis.Text(path), err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err == nil && regular && st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, fmt.Errorf("%s: not a regular file", vis.Text(path))
	}
	text, err := ReadFD(fd)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", vis.Text(path), err)
	}
	return text, nil
}

// ReadFD reads a descriptor to its end, but no more than [MaxSize].
func ReadFD(fd int) ([]byte, error) {
	text := make([]byte, 0, 4096)
	for {
		n, err := unix.Read(fd, text[len(text):cap(text)])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return nil, err
		case n == 0:
			return text, nil
		default:
			text = text[:len(text)+n]
		}
		if len(text) > MaxSize {
			return nil, fmt.Errorf("larger than %d KiB", MaxSize>>10)
		}
		text = slices.Grow(text, 4096)
	}
}

// Includes returns what a file includes. Whatever else is wrong with it is not looked at.
func Includes(s *Source) (*Profile, error) {
	var only struct {
		Include []string `toml:"@include"`
	}
	if err := toml.Unmarshal(s.Text, &only); err != nil {
		return nil, explain(s, err)
	}
	return &Profile{Include: only.Include, Place: Place{s, "", -1}}, nil
}

// IncludePath is the path of an included file, whose name is relative to the directory of
// the file.
func (p *Profile) IncludePath(main string, i int) (string, error) {
	name := p.Include[i]
	switch {
	case name == "" || strings.ContainsRune(name, 0):
		return "", p.Errorf("@include.#"+fmt.Sprint(i), "%q is not the name of a file", name)
	case filepath.IsAbs(name):
		return name, nil
	}
	return filepath.Join(filepath.Dir(main), name), nil
}

func parse(s *Source) (*Profile, error) {
	p := &Profile{Place: Place{s, "", -1}}
	if err := decode(s, p, p); err != nil {
		return nil, err
	}
	p.place(s)
	return p, nil
}

func parseIncluded(s *Source) (*Shared, error) {
	shared := &Shared{}
	if err := decode(s, shared, &Profile{}); err != nil {
		return nil, err
	}
	shared.place(s)
	return shared, nil
}

// decode decodes a source strictly. whole is what a file may have, for the message about
// a key that an included file may not have.
func decode(s *Source, into, whole any) error {
	if i := bytes.IndexByte(s.Text, 0); i >= 0 {
		return &Error{s.At(1 + bytes.Count(s.Text[:i], []byte("\n"))), errors.New("a null byte")}
	}
	err := toml.NewDecoder(bytes.NewReader(s.Text)).DisallowUnknownFields().Decode(into)
	// The decoder takes a name in capital letters for the same; no key has any.
	var strict *toml.StrictMissingError
	unlike := func(path []string) bool { return strings.ToLower(path[len(path)-1]) != path[len(path)-1] }
	if errors.As(err, &strict) {
		unlike = func(path []string) bool {
			return !slices.Contains(namesAt(reflect.TypeOf(into), path[:len(path)-1]), path[len(path)-1])
		}
	} else if err != nil {
		return explain(s, err)
	}
	if path, line := findKey(s.Text, unlike); path != nil {
		return &Error{s.At(line), unknown(path, into, whole)}
	}
	return err
}

// explain says in one line what is wrong with a source.
func explain(s *Source, err error) error {
	if wrong := (*toml.DecodeError)(nil); errors.As(err, &wrong) {
		line, _ := wrong.Position()
		text := strings.TrimPrefix(wrong.Error(), "toml: ")
		if key := strings.Join(wrong.Key(), "."); key != "" {
			text = vis.Text(key) + ": " + mismatch(text)
		}
		return &Error{s.At(line), errors.New(vis.Text(text))}
	}
	return fmt.Errorf("%s: %s", vis.Text(s.Name), vis.Text(strings.TrimPrefix(err.Error(), "toml: ")))
}

// mismatch rewrites the decoder's message about a value of another type, which names Go's
// fields and types.
func mismatch(text string) string {
	rest, ok := strings.CutPrefix(text, "cannot decode TOML ")
	if !ok {
		return text
	}
	is, into, ok := strings.Cut(rest, " into ")
	if _, typ, field := strings.Cut(into, " of type "); field {
		into = typ
	}
	if !ok {
		return text
	}
	return fmt.Sprintf("%s, but must be %s", tomlKind(is), goKind(into))
}

func tomlKind(name string) string {
	switch name = strings.ToLower(name); name {
	case "integer", "array", "inlinetable":
		return "is an " + strings.Replace(name, "inlinetable", "inline table", 1)
	}
	return "is a " + name
}

func goKind(name string) string {
	name = strings.TrimLeft(name, "*")
	switch {
	case strings.HasPrefix(name, "[]"):
		return "an array"
	case name == "string":
		return "a string"
	case name == "bool":
		return "true or false"
	case strings.HasPrefix(name, "uint"), strings.HasPrefix(name, "int"):
		return "an integer"
	}
	return "a table"
}

// findKey returns the first key of a text that a function reports, with the names of the
// tables that it is in, and its line.
func findKey(text []byte, is func(path []string) bool) (found []string, line int) {
	var p unstable.Parser
	p.Reset(text)
	var table []string
	var visit func(path []string, e *unstable.Node)
	visit = func(path []string, e *unstable.Node) {
		for it := e.Key(); it.Next() && found == nil; {
			k := it.Node()
			path = append(path[:len(path):len(path)], string(k.Data))
			if is(path) {
				found, line = path, p.Shape(k.Raw).Start.Line
			}
		}
		if e.Kind == unstable.KeyValue {
			tables(e.Value(), func(n *unstable.Node) { visit(path, n) })
		} else {
			table = path
		}
	}
	for found == nil && p.NextExpression() {
		switch e := p.Expression(); e.Kind {
		case unstable.KeyValue:
			visit(table, e)
		case unstable.Table, unstable.ArrayTable:
			visit(nil, e)
		}
	}
	return found, line
}

// tables calls a function for each key in the inline tables of a value.
func tables(v *unstable.Node, each func(*unstable.Node)) {
	if v.Kind != unstable.Array && v.Kind != unstable.InlineTable {
		return
	}
	for it := v.Children(); it.Next(); {
		if n := it.Node(); n.Kind == unstable.KeyValue {
			each(n)
		} else {
			tables(n, each)
		}
	}
}
