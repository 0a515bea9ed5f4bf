package filter

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// keys are the keys of the objects in a profile, by the key whose value the object is;
// the profile itself has none.
var keys = [...]struct {
	of   string
	keys []string
}{
	{"", []string{"architectures", "archMap", "comment", "defaultAction", "defaultErrno", "defaultErrnoRet", "description", "flags", "listenerMetadata", "listenerPath", "syscalls"}},
	{"archMap", []string{"architecture", "subArchitectures"}},
	{"args", []string{"index", "op", "value", "valueTwo"}},
	{"excludes", []string{"arches", "caps", "minKernel"}},
	{"includes", []string{"arches", "caps", "minKernel"}},
	{"syscalls", []string{"action", "args", "comment", "errno", "errnoRet", "excludes", "includes", "name", "names"}},
}

// keysOf are those of the objects that are the value of a key.
func keysOf(of string) []string {
	for _, o := range keys {
		if o.of == of {
			return o.keys
		}
	}
	return nil
}

// An object of JSON: the key whose value it is, and its keys so far.
type object struct {
	of   string
	seen []string
}

// checkKey returns an error if a key is unknown in the object, or occurs twice.
// Otherwise it records the key.
func (o *object) checkKey(key string) error {
	known := keysOf(o.of)
	switch {
	case slices.Contains(o.seen, key):
		return fmt.Errorf("%q occurs twice", key)
	case slices.Contains(known, key):
		o.seen = append(o.seen, key)
		return nil
	case slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, key) }):
		return fmt.Errorf("%q differs in case from every key", key)
	}
	if o.of == "" && (key == "ociVersion" || key == "linux") {
		return fmt.Errorf("unknown field %q: in the configuration of a container the profile is .linux.seccomp", key)
	}
	return fmt.Errorf("unknown field %q", key)
}

// checkKeys rejects what package json silently accepts in a profile: a key that occurs
// twice in an object, whose values are merged, a key in the wrong case, and any unknown
// key.
func checkKeys(data []byte) error {
	// open are the enclosing objects.
	var open []object
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '{':
			o := object{}
			if len(open) > 0 {
				seen := open[len(open)-1].seen
				o.of = seen[len(seen)-1]
			}
			open = append(open, o)
		case '}':
			open = open[:len(open)-1]
		case '"':
			end := i + 1
			for data[end] != '"' {
				if data[end] == '\\' {
					end++
				}
				end++
			}
			text := data[i : end+1]
			i = end
			if after := bytes.TrimLeft(data[end+1:], " \t\r\n"); len(after) == 0 || after[0] != ':' {
				continue
			}
			key := string(text[1 : len(text)-1])
			if bytes.IndexByte(text, '\\') >= 0 {
				if err := json.Unmarshal(text, &key); err != nil {
					return err
				}
			}
			if err := open[len(open)-1].checkKey(key); err != nil {
				return fmt.Errorf("line %d: %w", 1+bytes.Count(data[:end], []byte("\n")), err)
			}
		}
	}
	return nil
}
