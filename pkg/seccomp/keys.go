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

// checkKeys refuses what package json takes without a word in JSON that it has
// read: a key that an object has twice, of which the values are merged, and one
// that differs in case from what is meant.
func checkKeys(data []byte) error {
	// open are the keys so far of the objects that lie around.
	var open [][]string
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '{':
			open = append(open, nil)
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
			seen := &open[len(open)-1]
			problem := ""
			switch {
			case slices.Contains(*seen, key):
				problem = "is there twice"
			case !slices.Contains(keys[:], key):
				problem = "differs in case from every key"
			default:
				*seen = append(*seen, key)
				continue
			}
			return fmt.Errorf("line %d: %q %s", 1+bytes.Count(data[:end], []byte("\n")), key, problem)
		}
	}
	return nil
}
