package seccomp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// keys are those of profiles.
var keys = [...]string{"action", "archMap", "arches", "architecture", "architectures", "args", "caps", "comment", "defaultAction",
	"defaultErrno", "defaultErrnoRet", "errno", "errnoRet", "excludes", "flags", "includes", "index", "listenerMetadata", "listenerPath",
	"minKernel", "name", "names", "op", "subArchitectures", "syscalls", "value", "valueTwo"}

// checkKeys refuses what package json takes without a word in JSON that it can
// read: a key that an object has twice, of which the values are merged, and one
// that differs in case from what is meant.
func checkKeys(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	fail := func(format string, key string) error {
		return fmt.Errorf("line %d: "+format, 1+bytes.Count(data[:dec.InputOffset()], []byte("\n")), key)
	}
	// open are the keys of the objects that the token is in, nil for an array.
	var open []map[string]bool
	key := false // the next token of an object is a key
	for {
		t, err := dec.Token()
		if err != nil {
			return nil // the end
		}
		switch t := t.(type) {
		case json.Delim:
			switch t {
			case '{':
				open = append(open, map[string]bool{})
			case '[':
				open = append(open, nil)
			default:
				open = open[:len(open)-1]
			}
			key = true
		case string:
			seen := map[string]bool(nil)
			if len(open) > 0 {
				seen = open[len(open)-1]
			}
			if seen == nil || !key {
				key = true
				continue
			}
			switch {
			case seen[t]:
				return fail("%q is there twice", t)
			case !slices.Contains(keys[:], t):
				return fail("%q differs in case from every key", t)
			}
			seen[t], key = true, false
		default:
			key = true
		}
	}
}
