package profile

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// A Source is a file as it was parsed: after its templates, if it has any.
type Source struct {
	// Name is the file's path as it is written in messages.
	Name string
	Text []byte
	// Lines says for each line of Text where it was written; nil means that Text is the
	// file.
	Lines []Line
}

// A Line is a line of a file, from 1.
type Line struct {
	Name string
	Line int
}

// At is FILE:LINE of a line of the text, from 1.
func (s *Source) At(line int) string {
	at := Line{s.Name, max(line, 1)}
	if n := len(s.Lines); n > 0 {
		at = s.Lines[min(at.Line, n)-1]
	}
	return at.Name + ":" + strconv.Itoa(at.Line)
}

// An Error is one of a file: its text begins with FILE:LINE.
type Error struct {
	At  string
	Err error
}

func (e *Error) Error() string { return e.At + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// A Place is where a table was written.
type Place struct {
	source *Source
	table  string
	// index is that of an entry of a list, or -1.
	index int
}

// Errorf is an error about a key of the table, or with "" about the table.
func (p Place) Errorf(key, format string, args ...any) error {
	return p.Wrap(key, fmt.Errorf(format, args...))
}

// Wrap makes an error one about a key of the table, or with "" about the table.
func (p Place) Wrap(key string, err error) error {
	if err == nil || p.source == nil {
		return err
	}
	path := keyPath(p.table)
	if p.index >= 0 {
		path = append(path, "#"+strconv.Itoa(p.index))
	}
	name := p.table
	if key != "" {
		path = append(path, keyPath(key)...)
		if name != "" {
			name += "."
		}
		key, _, _ = strings.Cut(key, ".#")
		name += key
	}
	if name != "" {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return &Error{p.source.At(locate(p.source.Text, path)), err}
}

// keyPath splits a dotted name of the schema. "@include" is its only name that is not a
// bare key.
func keyPath(name string) []string {
	var path []string
	start := 0
	for i := 0; i <= len(name); i++ {
		if i == len(name) || name[i] == '.' {
			if i > start {
				path = append(path, name[start:i])
			}
			start = i + 1
		}
	}
	return path
}

// locate returns the line of a key, or of what there is of its path. An element of a list
// is # and its index. It parses the text again: only an error needs it.
func locate(text []byte, path []string) int {
	l := locator{want: path, line: 1}
	l.parser.Reset(text)
	counts := map[string]int{} // of the tables of a list
	var table []string
	for l.parser.NextExpression() {
		e := l.parser.Expression()
		switch e.Kind {
		case unstable.Table:
			table = withIndices(keyOf(e), counts)
			l.see(table, first(e))
		case unstable.ArrayTable:
			names := keyOf(e)
			id := fmt.Sprint(names)
			counts[id]++
			table = withIndices(names, counts)
			l.see(table, first(e))
		case unstable.KeyValue:
			l.keyValue(table, e)
		}
	}
	return l.line
}

// A locator remembers the line of the longest part of a path that it has seen.
type locator struct {
	parser unstable.Parser
	want   []string
	best   int
	line   int
}

// see is told of a path and of a node that has its place.
func (l *locator) see(path []string, n *unstable.Node) {
	if len(path) > len(l.want) || len(path) <= l.best || n.Raw.Length == 0 {
		return
	}
	for i := range path {
		if path[i] != l.want[i] {
			return
		}
	}
	l.best, l.line = len(path), l.parser.Shape(n.Raw).Start.Line
}

func (l *locator) keyValue(table []string, e *unstable.Node) {
	path := append(table[:len(table):len(table)], keyOf(e)...)
	l.see(path, first(e))
	l.value(path, e.Value())
}

func (l *locator) value(path []string, v *unstable.Node) {
	switch v.Kind {
	case unstable.Array:
		i := 0
		for it := v.Children(); it.Next(); {
			n := it.Node()
			if n.Kind == unstable.Comment {
				continue
			}
			at := append(path[:len(path):len(path)], "#"+strconv.Itoa(i))
			// An inline table has no place of its own: that of its first key.
			if n.Kind == unstable.InlineTable {
				if c := n.Children(); c.Next() && c.Node().Kind == unstable.KeyValue {
					l.see(at, first(c.Node()))
				}
			} else {
				l.see(at, n)
			}
			l.value(at, n)
			i++
		}
	case unstable.InlineTable:
		for it := v.Children(); it.Next(); {
			if n := it.Node(); n.Kind == unstable.KeyValue {
				l.keyValue(path, n)
			}
		}
	}
}

// keyOf returns the names of a key or of a table's header.
func keyOf(e *unstable.Node) []string {
	var names []string
	for it := e.Key(); it.Next(); {
		names = append(names, string(it.Node().Data))
	}
	return names
}

// first is the node of the first name of a key.
func first(e *unstable.Node) *unstable.Node {
	it := e.Key()
	it.Next()
	return it.Node()
}

// withIndices inserts the index of the last entry after the name of each list of tables.
func withIndices(names []string, counts map[string]int) []string {
	var path []string
	for i := range names {
		path = append(path, names[i])
		if n := counts[fmt.Sprint(names[:i+1])]; n > 0 {
			path = append(path, "#"+strconv.Itoa(n-1))
		}
	}
	return path
}
