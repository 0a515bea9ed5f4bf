package inspect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"hk/internal/vis"
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
	old, now := map[string]any{}, map[string]any{}
	for _, section := range sections {
		if covers(before, section) && covers(after, section) {
			flatten(old, section, before[section])
			flatten(now, section, after[section])
			reasons(old, section, before)
			reasons(now, section, after)
		}
	}
	var changes []Change
	keys := slices.Sorted(maps.Keys(old))
	for key := range now {
		if _, ok := old[key]; !ok {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, byKey)
	for _, key := range keys {
		c := Change{key, encode(old, key), encode(now, key)}
		if !bytes.Equal(c.Before, c.After) {
			changes = append(changes, c)
		}
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

// flatten adds what is in a value, by keys. A list of objects is by what names each; a list
// of anything else is one value.
func flatten(to map[string]any, key string, value any) {
	switch v := value.(type) {
	case nil:
	case map[string]any:
		for name, field := range v {
			flatten(to, key+"."+name, field)
		}
	case []any:
		if len(v) == 0 || !isObject(v[0]) {
			to[key] = v
			return
		}
		seen := map[string]int{}
		for _, element := range v {
			name := nameOf(element)
			if seen[name]++; seen[name] > 1 {
				name += fmt.Sprintf("#%d", seen[name])
			}
			flatten(to, key+"."+name, element)
		}
	default:
		to[key] = v
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

// writeDiff prints differences.
func (i *Inspection) writeDiff(w io.Writer, changes []Change) error {
	if i.JSON {
		if changes == nil {
			changes = []Change{}
		}
		b, err := json.MarshalIndent(struct {
			Version int      `json:"version"`
			Changes []Change `json:"changes"`
		}{Version, changes}, "", "  ")
		if err != nil {
			return err
		}
		_, err = w.Write(append(vis.JSON(b), '\n'))
		return err
	}
	var rows []row
	for _, c := range changes {
		rows = append(rows, row{c.Key, changeText(c)})
	}
	var b strings.Builder
	writeRows(&b, rows)
	_, err := io.WriteString(w, b.String())
	return err
}

// changeText says what has changed: for lists, what was added and removed.
func changeText(c Change) string {
	var before, after []any
	if json.Unmarshal(c.Before, &before) == nil && json.Unmarshal(c.After, &after) == nil && c.Before != nil && c.After != nil {
		var list []string
		for _, v := range before {
			if !contains(after, v) {
				list = append(list, "-"+plainText(v))
			}
		}
		for _, v := range after {
			if !contains(before, v) {
				list = append(list, "+"+plainText(v))
			}
		}
		if len(list) > 0 {
			return strings.Join(list, " ")
		}
	}
	return rawText(c.Before) + " -> " + rawText(c.After)
}

func contains(list []any, v any) bool {
	return slices.ContainsFunc(list, func(o any) bool { return plainText(o) == plainText(v) })
}

func rawText(b json.RawMessage) string {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if b == nil || d.Decode(&v) != nil {
		return "absent"
	}
	return plainText(v)
}

// plainText is a value without quotes.
func plainText(v any) string {
	switch v := v.(type) {
	case string:
		if v == "" {
			return "none"
		}
		return v
	case []any:
		list := make([]string, len(v))
		for i, e := range v {
			list[i] = plainText(e)
		}
		return listed(list)
	}
	return fmt.Sprint(v)
}
