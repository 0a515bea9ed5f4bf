package execdeps

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// An image is what to write into an ELF file.
type image struct {
	interp, soname, rpath, runpath string
	needed                         []string
	filter, auxiliary              string
	machine                        uint16
	// dynamic is set if there is to be a dynamic section.
	dynamic bool
}

// bytes is a program or library for 64 bits: headers, then strings, then the
// dynamic section.
func (im image) bytes() []byte {
	const base, headers = 0x400000, 64 + 3*56
	text := []byte{0}
	add := func(s string) uint64 {
		at := len(text)
		text = append(append(text, s...), 0)
		return uint64(at)
	}
	interp := add(im.interp)
	var dyn []uint64
	for _, n := range im.needed {
		dyn = append(dyn, dtNeeded, add(n))
	}
	for _, e := range []struct {
		tag  uint64
		text string
	}{{dtSoname, im.soname}, {dtRpath, im.rpath}, {dtRunpath, im.runpath}, {dtFilter, im.filter}, {dtAuxiliary, im.auxiliary}} {
		if e.text != "" {
			dyn = append(dyn, e.tag, add(strings.TrimPrefix(e.text, "empty")))
		}
	}
	dyn = append(dyn, dtStrtab, base+headers, dtNull, 0)
	for len(text)%8 != 0 {
		text = append(text, 0)
	}
	size := uint64(headers + len(text) + 8*len(dyn))
	machine := im.machine
	if machine == 0 {
		machine = 62
	}
	var b bytes.Buffer
	put := func(list ...any) {
		for _, v := range list {
			binary.Write(&b, binary.LittleEndian, v)
		}
	}
	segment := func(kind uint32, off, size uint64) {
		put(kind, uint32(5), off, base+off, base+off, size, size, uint64(8))
	}
	b.WriteString("\x7fELF\x02\x01\x01")
	b.Write(make([]byte, 9))
	put(uint16(3), machine, uint32(1), uint64(base), uint64(64), uint64(0), uint32(0), uint16(64), uint16(56), uint16(3), uint16(0), uint16(0), uint16(0))
	segment(ptLoad, 0, size)
	if im.interp != "" {
		segment(ptInterp, headers+interp, uint64(len(im.interp)+1))
	} else {
		segment(0, 0, 0)
	}
	if im.dynamic || im.interp != "" || im.soname != "" || im.needed != nil {
		segment(ptDynamic, headers+uint64(len(text)), uint64(8*len(dyn)))
	} else {
		segment(0, 0, 0)
	}
	b.Write(text)
	put(dyn)
	return b.Bytes()
}

// cacheOf is an ld.so.cache with these libraries, after one of the old format.
func cacheOf(list ...cached) []byte {
	var entries, text []byte
	head := 48 + 24*len(list)
	add := func(s string) []byte {
		at := uint32(head + len(text))
		text = append(append(text, s...), 0)
		return binary.LittleEndian.AppendUint32(nil, at)
	}
	for _, c := range list {
		e := binary.LittleEndian.AppendUint32(nil, 0x303)
		e = append(append(e, add(c.name)...), add(c.path)...)
		e = append(e, make([]byte, 4)...)
		entries = append(entries, binary.LittleEndian.AppendUint64(e, c.hwcap)...)
	}
	b := append([]byte("ld.so-1.7.0\x00"), 0, 0, 0, 0)
	b = append(b, cacheMagic...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(list)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(text)))
	b = append(b, make([]byte, 20)...)
	return append(append(b, entries...), text...)
}

// tree creates a root: a file that starts with "->" is a symbolic link.
func tree(t *testing.T, files map[string][]byte) *Root {
	dir := t.TempDir()
	for name, b := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if to, ok := bytes.CutPrefix(b, []byte("->")); ok {
			err = os.Symlink(string(to), p)
		} else {
			err = os.WriteFile(p, b, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return &Root{fd: fd}
}

func FuzzELF(f *testing.F) {
	f.Add(image{interp: loader, needed: []string{"libc.so.6"}, rpath: "$ORIGIN"}.bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := parseELF(bytes.NewReader(b))
		if (o == nil) == (err == nil) {
			t.Fatalf("parseELF(%q) = %v, %v; want one of them", b, o, err)
		}
		if o != nil && o.size() > maxStrings+maxString {
			t.Fatalf("parseELF() keeps %d bytes of strings; want %d at most", o.size(), maxStrings+maxString)
		}
		if interp := Interpreter(b); o != nil && interp != o.interp {
			t.Fatalf("Interpreter(%q) = %q; want %q", b, interp, o.interp)
		}
	})
}

func TestInterpreter(t *testing.T) {
	program := image{interp: loader, needed: []string{"libc.so.6"}}.bytes()
	for _, test := range []struct{ head, want string }{
		{string(program), loader},
		{string(program[:100]), ""},
		{string(image{}.bytes()), ""},
		{"#!/bin/sh -e\ntrue\n", "/bin/sh"},
		{"#! /usr/bin/env  python3\n", "/usr/bin/env"},
		{"#!sh\n", ""},
		{"#!\n", ""},
		{"text\n", ""},
		{"", ""},
	} {
		if got := Interpreter([]byte(test.head)); got != test.want {
			t.Errorf("Interpreter(%q) = %q; want %q", test.head, got, test.want)
		}
	}
}

func FuzzCache(f *testing.F) {
	f.Add(cacheOf(cached{"liba.so", "/a/liba.so", 0}))
	whole := cacheOf(cached{"liba.so", "/a/liba.so", 0})
	f.Add(whole[:len(whole)-1]) // a string without an end
	f.Fuzz(func(t *testing.T, b []byte) {
		// Printed and read again it is the same.
		list := parseCache(b)
		if again := parseCache(cacheOf(list...)); !slices.Equal(list, again) {
			t.Fatalf("parseCache() = %v, and of that printed %v; want the same", list, again)
		}
	})
}
