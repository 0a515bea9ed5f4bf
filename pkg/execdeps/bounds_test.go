package execdeps

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// allocated is how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestBounds has files crafted to keep the finder busy forever, or to use all memory.
func TestBounds(t *testing.T) {
	const most = 64 << 20
	refused := func(name string, b []byte, want string) {
		var err error
		n := allocated(func() { _, err = parseELF(bytes.NewReader(b)) })
		if err == nil || err.Error() != want || n > most {
			t.Errorf("%s: %v, and %d bytes allocated; want %s", name, err, n, want)
		}
	}

	// 60000 names that overlap in one string of 4 KB.
	im := image{interp: loader, needed: []string{strings.Repeat("x", 4000)}}
	b := im.bytes()
	at := binary.LittleEndian.Uint64(b[64+2*56+8:])
	name := binary.LittleEndian.Uint64(b[at+8:])
	table := b[at+16:]
	var many []byte
	for i := range 60000 {
		many = binary.LittleEndian.AppendUint64(many, dtNeeded)
		many = binary.LittleEndian.AppendUint64(many, name+uint64(i%100))
	}
	many = append(many, table...)
	binary.LittleEndian.PutUint64(b[64+2*56+32:], uint64(len(many)))
	refused("strings that overlap", append(b[:at:at], many...), "ELF strings that make no sense")

	// The dynamic section is named twice, as it could be a thousand times.
	b = image{needed: []string{"libc.so.6"}}.bytes()
	copy(b[64+56:], b[64+2*56:64+3*56])
	refused("two dynamic sections", b, "two ELF dynamic sections")

	b = image{interp: loader}.bytes()
	binary.LittleEndian.PutUint16(b[54:], 65535)
	refused("large program headers", b, "ELF program headers that make no sense")

	// A cache of 100000 libraries that have one long name.
	const n, head = 100000, 48
	b = append(append([]byte{}, cacheMagic...), make([]byte, head-len(cacheMagic))...)
	binary.LittleEndian.PutUint32(b[20:], n)
	for range n {
		e := make([]byte, 24)
		binary.LittleEndian.PutUint32(e[4:], head+24*n)
		binary.LittleEndian.PutUint32(e[8:], head+24*n)
		b = append(b, e...)
	}
	b = append(b, "/"+strings.Repeat("x", 4000)+"\x00"...)
	if n := allocated(func() { parseCache(b) }); n > most {
		t.Errorf("parseCache() of %d bytes takes %d; want %d at most", len(b), n, most)
	}
}

// TestEndless has libraries that exist, but after more directories than can be
// searched, and libraries that need more names than can be kept.
func TestEndless(t *testing.T) {
	files := map[string][]byte{"/lib64/ld-linux-x86-64.so.2": image{soname: "ld-linux-x86-64.so.2"}.bytes()}
	im := image{interp: loader, runpath: strings.Repeat("/:", 30000)}
	for i := range 20 {
		name := fmt.Sprintf("lib%d.so", i)
		im.needed = append(im.needed, name)
		files["/lib/"+name] = image{soname: name}.bytes()
	}
	files["/p"] = im.bytes()
	f := Finder{Root: tree(t, files)}
	if err := f.Program("/p"); err == nil || !strings.Contains(err.Error(), errEndless.Error()) {
		t.Errorf("Program() with many directories = %v; want %v", err, errEndless)
	}

	im = image{interp: loader}
	for i := range 100 {
		name := fmt.Sprintf("lib%d.so", i)
		im.needed = append(im.needed, name)
		files["/lib/"+name] = image{soname: name, runpath: strings.Repeat("/", maxPath-1)}.bytes()
	}
	files["/p"] = im.bytes()
	f = Finder{Root: tree(t, files)}
	if err := f.Program("/p"); err == nil || !strings.Contains(err.Error(), errEndless.Error()) {
		t.Errorf("Program() with many strings = %v; want %v", err, errEndless)
	}
}

// FuzzProgram has an arbitrary program: only regular files are found, and their names
// contain no symbolic links.
func FuzzProgram(f *testing.F) {
	f.Add(image{interp: loader, needed: []string{"libc.so.6"}, rpath: "$ORIGIN/../lib:$LIB::/", filter: "/lib/libc.so.6"}.bytes(), "/l:${ORIGIN}")
	f.Add([]byte("#!/usr/bin/env -S PATH=/x:/ -- p\n"), "")
	f.Add([]byte("#!/p\n"), ":")
	f.Fuzz(func(t *testing.T, b []byte, libraries string) {
		r := tree(t, map[string][]byte{"/p": b, "/etc/ld.so.cache": b, "/lib/libc.so.6": image{soname: "libc.so.6"}.bytes(),
			"/lib64/ld-linux-x86-64.so.2": image{}.bytes(), "/l": []byte("->/lib"), "/usr/bin/env": image{interp: loader}.bytes()})
		f := Finder{Root: r, Env: Environment{"/:/usr/bin", libraries, "/l"}}
		if f.Program("p") != nil {
			return
		}
		for _, file := range f.Files() {
			real, st, err := r.resolve(file.Path)
			if real != file.Path || err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
				t.Errorf("resolve(%q) = %q, mode %o, %v; want a regular file of that name", file.Path, real, st.Mode, err)
			}
		}
	})
}
