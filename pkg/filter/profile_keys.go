package filter

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// keys are those of the objects of a profile, by the key that they are the value of,
// the profile itself by none.
var keys = [...]struct {
	of   string
	keys []string
}{
	{"", []string{"architectures", "archMap", "defaultAction", "defaultErrno", "defaultErrnoRet", "flags", "listenerMetadata", "listenerPath", "syscalls"}},
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

// An object of JSON: the key that it is the value of, and its keys so far.
type object struct {
	of   string
	seen []string
}

// checkKey is an error if a key is not one of the object, or is there already. Then
// it is noted.
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
	return fmt.Errorf("unknown field %q", key)
}

// checkKeys refuses what package json takes without a word in a profile that it has
// read: a key that an object has twice, of which the values are merged, one that
// differs in case from what is meant, and any other.
func checkKeys(data []byte) error {
	// open are the objects that lie around.
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
