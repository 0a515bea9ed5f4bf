package execdeps

import (
	"bytes"
	"encoding/binary"
	"path"
	"strings"
)

// cacheFile is written by ldconfig(8), and the loader looks up libraries in it.
const cacheFile = "/etc/ld.so.cache"

// cacheMagic starts the format of glibc 2.2 and later. The file may begin with an older
// format.
var cacheMagic = []byte("glibc-ld.so.cache1.1")

// A cached library is a line of ldconfig -p. hwcap is not 0 if the library is for
// certain processors.
type cached struct {
	name, path string
	hwcap      uint64
}

// parseCache parses ld.so.cache. Like a loader, it treats malformed content as empty.
func parseCache(b []byte) []cached {
	at := bytes.Index(b, cacheMagic)
	if at < 0 {
		return nil
	}
	// Offsets of strings are relative to here. The magic is followed by the number of
	// libraries, the number of bytes of strings, flags, and the offset of extensions.
	b = b[at:]
	const head, entry = 48, 24
	if len(b) < head {
		return nil
	}
	n := uint64(binary.LittleEndian.Uint32(b[20:]))
	if n > uint64(len(b)-head)/entry {
		return nil
	}
	// The strings share one copy, however often they are referred to.
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
		c := cached{text(binary.LittleEndian.Uint32(e[4:])), text(binary.LittleEndian.Uint32(e[8:])),
			binary.LittleEndian.Uint64(e[16:])}
		if c.name != "" && path.IsAbs(c.path) {
			list = append(list, c)
		}
	}
	return list
}

// A machine has the names of directories that are specific to one kind of object.
type machine struct {
	triplet, platform string
	lib               string // lib64 or lib
	// levels are the directories in glibc-hwcaps, the most capable first.
	levels []string
}

// machineOf returns the machine for a class, byte order and e_machine; for an unknown
// kind it has no names.
func machineOf(kind [4]byte) machine {
	switch kind {
	case [4]byte{elfClass64, elfLittle, 62, 0}:
		return machine{"x86_64-linux-gnu", "x86_64", "lib64", []string{"x86-64-v4", "x86-64-v3", "x86-64-v2"}}
	case [4]byte{elfClass32, elfLittle, 62, 0}:
		return machine{"x86_64-linux-gnux32", "x86_64", "libx32", nil}
	case [4]byte{elfClass32, elfLittle, 3, 0}:
		return machine{"i386-linux-gnu", "i686", "lib", nil}
	case [4]byte{elfClass64, elfLittle, 183, 0}:
		return machine{"aarch64-linux-gnu", "aarch64", "lib64", nil}
	case [4]byte{elfClass32, elfLittle, 40, 0}:
		return machine{"arm-linux-gnueabihf", "v7l", "lib", nil}
	}
	return machine{}
}

// defaults are the directories that a loader searches last.
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

// expand replaces $ORIGIN, $LIB and $PLATFORM in a path of an object, with each value
// that $LIB can have. There are no other variables. Results longer than PATH_MAX are
// skipped.
func (m machine) expand(p, origin string) []string {
	if !strings.Contains(p, "$") {
		return []string{p}
	}
	var list []string
	for _, lib := range []string{"lib/" + m.triplet, m.lib, "lib"} {
		values := [][2]string{{"ORIGIN", origin}, {"PLATFORM", m.platform}, {"LIB", lib}}
		var b strings.Builder
		hasLib := false
	text:
		for i := 0; i < len(p) && b.Len() < maxString; {
			for _, v := range values {
				for _, name := range []string{"$" + v[0], "${" + v[0] + "}"} {
					if rest, ok := strings.CutPrefix(p[i:], name); ok && !inName(name, rest) {
						b.WriteString(v[1])
						i += len(name)
						hasLib = hasLib || v[0] == "LIB"
						continue text
					}
				}
			}
			b.WriteByte(p[i])
			i++
		}
		if b.Len() < maxString {
			list = append(list, b.String())
		}
		if !hasLib {
			break
		}
	}
	return list
}

// inName reports whether the text after a variable without braces makes it a different
// name.
func inName(variable, rest string) bool {
	if strings.HasSuffix(variable, "}") || rest == "" {
		return false
	}
	c := rest[0]
	return c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

// isMusl reports whether a loader is musl's, which searches in its own way.
func isMusl(interp string) bool { return strings.HasPrefix(path.Base(interp), "ld-musl-") }

// muslPath is the file from which musl's loader reads its directories: in /etc, beside
// the loader's directory.
func muslPath(interp string) string {
	prefix := strings.TrimSuffix(dirOf(dirOf(interp)), "/")
	return prefix + "/etc/" + strings.TrimSuffix(path.Base(interp), ".so.1") + ".path"
}

// isMuslOwn reports whether a name is that of a library which musl's loader provides
// itself.
func isMuslOwn(name string) bool {
	for _, own := range []string{"libc.", "libpthread.", "librt.", "libm.", "libdl.", "libutil.", "libxnet."} {
		if strings.HasPrefix(name, own) {
			return true
		}
	}
	return false
}
