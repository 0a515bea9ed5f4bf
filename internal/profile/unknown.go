package profile

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"hk/internal/similar"
	"hk/internal/vis"
)

// unknown is the error for a key that does not exist in into. whole is what a main file
// may have.
func unknown(key []string, into, whole any) error {
	at := len(key)
	var known []string
	for i := range key {
		names := namesAt(reflect.TypeOf(into), key[:i])
		if !slices.Contains(names, key[i]) {
			at, known = i, names
			break
		}
	}
	if at == len(key) {
		return fmt.Errorf("unknown key %q", vis.Text(strings.Join(key, ".")))
	}
	if at == 0 && slices.Contains(namesAt(reflect.TypeOf(whole), nil), key[0]) {
		return fmt.Errorf("an included file may not have %q, only %s", key[0], list(known, "and"))
	}
	text := fmt.Sprintf("unknown key %q", vis.Text(key[at]))
	if at > 0 {
		text += " in " + strings.Join(key[:at], ".")
	}
	if n := nearest(key[at], known); n != "" {
		return fmt.Errorf("%s; did you mean %q?", text, n)
	}
	return fmt.Errorf("%s: there are %s", text, list(known, "and"))
}

// namesAt lists the keys of the table at a path.
func namesAt(t reflect.Type, path []string) []string {
	t = table(t)
	for _, name := range path {
		next := reflect.Type(nil)
		eachField(t, func(key string, typ reflect.Type) {
			if key == name {
				next = table(typ)
			}
		})
		if next == nil {
			return nil
		}
		t = next
	}
	var names []string
	eachField(t, func(key string, _ reflect.Type) { names = append(names, key) })
	return names
}

// table is the struct of a pointer, a list, or itself.
func table(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return t
}

func eachField(t reflect.Type, f func(key string, typ reflect.Type)) {
	if t.Kind() != reflect.Struct {
		return
	}
	for i := range t.NumField() {
		field := t.Field(i)
		switch key := field.Tag.Get("toml"); {
		case key == "-":
		case key != "":
			f(key, field.Type)
		case field.Anonymous:
			eachField(field.Type, f)
		}
	}
}

// nearest returns the name that differs least from a word, or "" if none is near.
func nearest(word string, names []string) string {
	word = strings.ToLower(word)
	best, least := "", max(1, len(word)/3)+1
	for _, n := range names {
		if d := similar.Distance(word, n); d < least {
			best, least = n, d
		}
	}
	return best
}

// list is a, b and c.
func list(names []string, and string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " " + and + " " + names[last]
}
