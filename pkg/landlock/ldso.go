package landlock

import (
	"bytes"
	"encoding/binary"
	"path"
	"strings"
)

// cacheFile is what ldconfig(8) writes and the loader looks libraries up in.
const cacheFile = "/etc/ld.so.cache"

// cacheMagic starts the format of glibc 2.2 and later. An older one may stand
// before it in the file.
var cacheMagic = []byte("glibc-ld.so.cache1.1")

// A cached library is a line of ldconfig -p.
type cached struct{ name, path string }

// parseCache reads ld.so.cache. As a loader does, it takes what makes no sense
// for empty.
func parseCache(b []byte) []cached {
	at := bytes.Index(b, cacheMagic)
	if at < 0 {
		return nil
	}
	// Offsets of strings count from here. Behind the magic are the numbers of
	// libraries and of bytes of strings, flags, and the offset of extensions.
	b = b[at:]
	const head, entry = 48, 24
	if len(b) < head {
		return nil
	}
	n := uint64(binary.LittleEndian.Uint32(b[20:]))
	if n > uint64(len(b)-head)/entry {
		return nil
	}
	// The strings share one copy, however often they are pointed to.
	all := string(b)
	text := func(off uint32) string {
		if uint64(off) >= uint64(len(all)) {
			return ""
		}
		s := all[off:]
		if i := strings.IndexByte(s[:min(len(s), maxString)], 0); i >= 0 {
			return s[:i]
		}
		return ""
	}
	var list []cached
	for i := range n {
		e := b[head+i*entry:]
		c := cached{text(binary.LittleEndian.Uint32(e[4:])), text(binary.LittleEndian.Uint32(e[8:]))}
		if c.name != "" && path.IsAbs(c.path) {
			list = append(list, c)
		}
	}
	return list
}

// A machine is what is in names of directories for one kind of object.
type machine struct {
	triplet, platform string
	lib               string // lib64 or lib
}

// machines are by class, byte order and e_machine.
var machines = map[[4]byte]machine{
	{elfClass64, elfLittle, 62, 0}:  {"x86_64-linux-gnu", "x86_64", "lib64"},
	{elfClass32, elfLittle, 62, 0}:  {"x86_64-linux-gnux32", "x86_64", "libx32"},
	{elfClass32, elfLittle, 3, 0}:   {"i386-linux-gnu", "i686", "lib"},
	{elfClass64, elfLittle, 183, 0}: {"aarch64-linux-gnu", "aarch64", "lib64"},
	{elfClass32, elfLittle, 40, 0}:  {"arm-linux-gnueabihf", "v7l", "lib"},
}

// defaults are the directories that a loader looks into last.
func (m machine) defaults() []string {
	dirs := []string{"/lib", "/usr/lib"}
	if m.lib != "lib" && m.lib != "" {
		dirs = append([]string{"/" + m.lib, "/usr/" + m.lib}, dirs...)
	}
	if m.triplet != "" {
		dirs = append([]string{"/lib/" + m.triplet, "/usr/lib/" + m.triplet}, dirs...)
	}
	return dirs
}

// expand replaces $ORIGIN, $LIB and $PLATFORM in a path of an object, with each
// value that they can have. A path with another variable is none.
func (m machine) expand(p, origin string) []string {
	if !strings.Contains(p, "$") {
		return []string{p}
	}
	p = strings.NewReplacer("${ORIGIN}", origin, "$ORIGIN", origin,
		"${PLATFORM}", m.platform, "$PLATFORM", m.platform).Replace(p)
	if strings.Contains(p, "$LIB") || strings.Contains(p, "${LIB}") {
		var list []string
		for _, lib := range []string{"lib/" + m.triplet, m.lib, "lib"} {
			list = append(list, m.expand(strings.NewReplacer("${LIB}", lib, "$LIB", lib).Replace(p), origin)...)
		}
		return list
	}
	if strings.Contains(p, "$") {
		return nil
	}
	return []string{p}
}

// isMusl reports whether a loader is musl's, which searches in its own way.
func isMusl(interp string) bool { return strings.HasPrefix(path.Base(interp), "ld-musl-") }

// muslPath is where musl's loader has its directories from.
func muslPath(interp string) string {
	return "/etc/" + strings.TrimSuffix(path.Base(interp), ".so.1") + ".path"
}

// isMuslOwn reports whether a name is that of a library which musl's loader is
// itself.
func isMuslOwn(name string) bool {
	for _, own := range []string{"libc.", "libpthread.", "librt.", "libm.", "libdl.", "libutil.", "libxnet."} {
		if strings.HasPrefix(name, own) {
			return true
		}
	}
	return false
}
