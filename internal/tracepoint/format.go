// Package tracepoint listens to tracepoints of the kernel by perf_event_open(2), as root. What
// they tell is read from a buffer, and nothing of it remains when the descriptors are closed.
package tracepoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// tracefs are the directories of the descriptions, where that is mounted.
var tracefs = []string{"/sys/kernel/tracing/events/", "/sys/kernel/debug/tracing/events/"}

// A Format is the description of a tracepoint: its fields by name.
type Format struct {
	Name   string
	ID     uint16
	fields map[string]field
}

// A field is at an offset of a sample, with a size. A string is at another one that is there.
type field struct{ offset, size int }

// Read reads the description of a tracepoint, such as "capability/cap_capable". It takes a
// tracefs that is mounted, and root.
func Read(name string) (text string, err error) {
	var b []byte
	for _, dir := range tracefs {
		if b, err = os.ReadFile(dir + name + "/format"); err == nil {
			return string(b), nil
		}
	}
	return "", err
}

// Parse parses a description, which must have these fields.
func Parse(name, text string, needed ...string) (Format, error) {
	f := Format{Name: name, fields: map[string]field{}}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if id, ok := strings.CutPrefix(line, "ID: "); ok {
			n, err := strconv.ParseUint(id, 10, 16)
			if f.ID = uint16(n); err != nil {
				return f, err
			}
		}
		rest, ok := strings.CutPrefix(line, "field:")
		parts := strings.Split(rest, ";")
		if !ok || len(parts) < 3 {
			continue
		}
		offset, err := strconv.Atoi(strings.TrimPrefix(strings.TrimSpace(parts[1]), "offset:"))
		size, err2 := strconv.Atoi(strings.TrimPrefix(strings.TrimSpace(parts[2]), "size:"))
		if err := errors.Join(err, err2); err != nil || offset < 0 {
			return f, fmt.Errorf("%s: %s: %w", name, line, err)
		}
		words := strings.Fields(parts[0])
		f.fields[words[len(words)-1]] = field{offset, size}
	}
	for _, name := range needed {
		if _, ok := f.fields[name]; !ok || f.ID == 0 {
			return f, fmt.Errorf("%s has no field %s", f.Name, name)
		}
	}
	return f, nil
}

// Number is a field of a sample, or ok is false.
func (f Format) Number(sample []byte, name string) (n uint64, ok bool) {
	at, ok := f.fields[name]
	if !ok || at.offset+at.size > len(sample) {
		return 0, false
	}
	switch b := sample[at.offset:]; at.size {
	case 1:
		return uint64(b[0]), true
	case 4:
		return uint64(binary.NativeEndian.Uint32(b)), true
	case 8:
		return binary.NativeEndian.Uint64(b), true
	}
	return 0, false
}

// Text is a field of a sample that is a string.
func (f Format) Text(sample []byte, name string) string {
	at, ok := f.Number(sample, name)
	start, size := int(uint16(at)), int(uint32(at)>>16)
	if !ok || start+size > len(sample) {
		return ""
	}
	text, _, _ := strings.Cut(string(sample[start:start+size]), "\x00")
	return text
}
