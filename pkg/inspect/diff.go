package inspect

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"hk/pkg/getopt"

	"golang.org/x/sys/unix"
)

// A Change is a difference between two reports. Before and After are JSON; nil is absent.
type Change struct {
	// Key is that of the report, with dots between; an element of a list is named by its
	// path, number or file.
	Key    string          `json:"key"`
	Before json.RawMessage `json:"before"`
	After  json.RawMessage `json:"after"`

	// element is the key of the element of a list in which this is, or "", and was and is are
	// the element in the two reports, or nil.
	element string
	was, is map[string]any
}

// maxReport is more than a report has.
const maxReport = 64 << 20

// readReport reads what --json has written: FILE, - or fd:N.
func readReport(name string) (map[string]any, error) {
	fd, named := 0, false
	switch text, ok := strings.CutPrefix(name, "fd:"); {
	case ok:
		n, err := getopt.ParseFD(text)
		if err != nil {
			return nil, err
		}
		fd = n
	case name != "-":
		n, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
		if err != nil {
			return nil, err
		}
		fd, named = n, true
	}
	if named {
		defer unix.Close(fd)
	}
	text, err := readUpTo(fd, maxReport)
	if err != nil {
		return nil, err
	}
	return parseReport(text)
}

// parseReport parses it.
func parseReport(text string) (map[string]any, error) {
	if len(text) > maxReport {
		return nil, errors.New("it is too long for a report of hk-inspect --json")
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var report map[string]any
	if err := d.Decode(&report); err != nil {
		return nil, fmt.Errorf("it is not what hk-inspect --json writes: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("it is not what hk-inspect --json writes: there is something after it")
	}
	if v, ok := report["version"].(json.Number); !ok || v.String() != fmt.Sprint(Version) {
		return nil, fmt.Errorf("its version is not %d", Version)
	}
	return report, nil
}

// asMap is the report as it is read back.
func (r *Report) asMap() (map[string]any, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	return parseReport(string(b))
}

// diff compares two reports, in the sections that both have or could not read.
func diff(before, after map[string]any) []Change {
	old, now := newFlat(), newFlat()
	for _, section := range sections {
		if covers(before, section) && covers(after, section) {
			old.flatten(section, before[section], "")
			now.flatten(section, after[section], "")
			reasons(old.values, section, before)
			reasons(now.values, section, after)
		}
	}
	var changes []Change
	keys := slices.Sorted(maps.Keys(old.values))
	for key := range now.values {
		if _, ok := old.values[key]; !ok {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, byKey)
	for _, key := range keys {
		c := Change{Key: key, Before: encode(old.values, key), After: encode(now.values, key)}
		if bytes.Equal(c.Before, c.After) {
			continue
		}
		if c.element = cmp.Or(old.within[key], now.within[key]); c.element != "" {
			c.was, c.is = old.elements[c.element], now.elements[c.element]
		}
		changes = append(changes, c)
	}
	return changes
}

// reasons adds why something in a section could not be read.
func reasons(to map[string]any, section string, report map[string]any) {
	list, _ := report["unreadable"].(map[string]any)
	for what, why := range list {
		if _, ok := to[what]; !ok && (what == section || strings.HasPrefix(what, section+".")) {
			to[what] = "not readable: " + plainText(why)
		}
	}
}

// covers reports whether a report is about a section.
func covers(report map[string]any, section string) bool {
	if _, ok := report[section]; ok {
		return true
	}
	reasons, _ := report["unreadable"].(map[string]any)
	_, ok := reasons[section]
	return ok
}

// byKey compares keys by the order of their sections, and then by themselves.
func byKey(a, b string) int {
	section := func(key string) int {
		name, _, _ := strings.Cut(key, ".")
		return slices.Index(sections[:], name)
	}
	if d := section(a) - section(b); d != 0 {
		return d
	}
	return strings.Compare(a, b)
}

// encode is JSON of a value, or nil if there is none.
func encode(m map[string]any, key string) json.RawMessage {
	v, ok := m[key]
	if !ok {
		return nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return b
}

// A flat is a report by keys.
type flat struct {
	values map[string]any
	// elements are those of lists of objects, and within is, by the keys of values, the key of
	// the element in which the value is.
	elements map[string]map[string]any
	within   map[string]string
}

func newFlat() flat {
	return flat{map[string]any{}, map[string]map[string]any{}, map[string]string{}}
}

// flatten adds what is in a value, by keys. A list of objects is by what names each; a list
// of anything else is one value.
func (f flat) flatten(key string, value any, in string) {
	switch v := value.(type) {
	case nil:
		return
	case map[string]any:
		for name, field := range v {
			f.flatten(key+"."+name, field, in)
		}
		return
	case []any:
		if len(v) == 0 || !isObject(v[0]) {
			break
		}
		seen := map[string]int{}
		for _, one := range v {
			name := nameOf(one)
			if seen[name]++; seen[name] > 1 {
				name += fmt.Sprintf("#%d", seen[name])
			}
			within := in
			if object, ok := one.(map[string]any); ok {
				within = key + "." + name
				f.elements[within] = object
			}
			f.flatten(key+"."+name, one, within)
		}
		return
	}
	f.values[key] = value
	if in != "" {
		f.within[key] = in
	}
}

func isObject(v any) bool {
	_, ok := v.(map[string]any)
	return ok
}

// nameOf is what names an element of a list.
func nameOf(element any) string {
	object, _ := element.(map[string]any)
	for _, key := range []string{"at", "fd", "controllers", "file", "path"} {
		switch v := object[key].(type) {
		case string:
			if v == "" && key == "controllers" {
				return "v2"
			}
			if access, ok := object["access"].(string); ok && key == "path" {
				return v + ":" + access
			}
			return v
		case json.Number:
			return v.String()
		}
	}
	return "?"
}
