package inspect

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"hk/internal/vis"
)

// writeDiff prints differences.
func (i *Inspection) writeDiff(w io.Writer, changes []Change, r *Report) error {
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
	last := 0
	if r.Caps != nil {
		last = r.Caps.last
	}
	var b strings.Builder
	writeRows(&b, diffRows(changes, last))
	_, err := io.WriteString(w, b.String())
	return err
}

// diffRows are the differences for people: what was added, removed or replaced as a whole is one
// row. last is the kernel's last capability.
func diffRows(changes []Change, last int) (rows []row) {
	done := map[string]bool{}
	for _, c := range changes {
		switch name, caps := strings.CutPrefix(c.Key, "caps."); {
		case c.element != "" && done[c.element]:
		case c.replaced():
			rows = append(rows, row{c.element, elementText(c.Key, c.was) + " -> " + elementText(c.Key, c.is)})
			done[c.element] = true
		case caps && slices.ContainsFunc(setNames[:], func(n [2]string) bool { return n[1] == name }):
			rows = append(rows, row{c.Key, capsChange(c, last)})
		default:
			rows = append(rows, row{c.Key, changeText(c)})
		}
	}
	return rows
}

// replaced reports whether an element of a list was added or removed, or is another mount.
func (c *Change) replaced() bool {
	return c.element != "" && (c.was == nil || c.is == nil || plainText(c.was["device"]) != plainText(c.is["device"]))
}

// elementText describes an element of a list. key is that of something in it.
func elementText(key string, is map[string]any) string {
	if is == nil {
		return "absent"
	}
	section, _, _ := strings.Cut(key, ".")
	fields := map[string][]string{"mounts": {"type", "options", "source", "from", "hidden"}, "fds": {"kind", "access", "target"}, "cgroups": {"path", "value"}}[section]
	if fields == nil {
		fields = slices.Sorted(maps.Keys(is))
	}
	var list []string
	for _, name := range fields {
		switch v := is[name].(type) {
		case nil, map[string]any:
		case []any:
			words := make([]string, len(v))
			for i, w := range v {
				words[i] = plainText(w)
			}
			list = append(list, strings.Join(words, ","))
		case bool:
			if v {
				list = append(list, name)
			}
		default:
			text := plainText(v)
			if name == "from" && text == "/" || name == "source" && (text == "none" || text == plainText(is["type"])) {
				continue
			}
			list = append(list, text)
		}
	}
	return strings.Join(slices.DeleteFunc(list, func(w string) bool { return w == "" }), " ")
}

// capsChange says how a set of capabilities has changed: by all and none, if that is shorter
// than the capabilities that were added and removed.
func capsChange(c Change, last int) string {
	short := true
	side := func(text json.RawMessage) string {
		var names []string
		if text == nil || json.Unmarshal(text, &names) != nil {
			short = false
			return ""
		}
		set, err := parseCaps(strings.Join(names, ","), last)
		switch all := ^uint64(0) >> (63 - last); {
		case len(names) == 0:
			return "none"
		case err == nil && set == all:
			return "all"
		case len(names) > 3:
			short = false
		}
		return listed(names)
	}
	before, after := side(c.Before), side(c.After)
	if !short {
		return changeText(c)
	}
	return before + " -> " + after
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
