package access

import (
	"encoding/binary"
	"os"
	"path"
	"strconv"
	"strings"

	"hk/pkg/execdeps"
	"hk/pkg/ptrace"

	"golang.org/x/sys/unix"
)

func native(b []byte) uint64 { return binary.NativeEndian.Uint64(b) }

// Executed records a program that was executed: itself, its loader, and the scripts by which
// it is the interpreter. The first one has the root directory in which names are looked up.
func (r *Recorder) Executed(tid int) {
	delete(r.pending, tid)
	if !r.begun {
		r.begun = true
		r.main = tid
		if main := ids(tid, "Tgid"); len(main) > 0 {
			r.main, _ = strconv.Atoi(main[0])
		}
		var err error
		if r.tree, err = newTree(tid); err != nil {
			r.tree = nil
			r.note("the root directory of the payload cannot be looked at: " + err.Error())
		}
	}
	if r.tree == nil {
		return
	}
	exe, ok := r.descriptor(tid, "exe")
	if !ok {
		if _, err := os.Readlink(proc(tid) + "/exe"); err != nil {
			r.note("a program cannot be looked at: " + err.Error())
		}
		return
	}
	r.use(exe.name, execute|readFile)
	aux := r.auxiliary(tid)
	if loader := mapped(tid, aux[atBase]); loader != "" {
		if name, ok := r.tree.within(loader); ok {
			r.use(name, execute|readFile)
		}
	}
	r.script(tid, aux[atExecfn], exe)
}

// AT_BASE and AT_EXECFN of getauxval(3): where the loader is, and what was given to execve(2).
const (
	atBase   = 7
	atExecfn = 31
)

// auxiliary is the auxiliary vector of a program: getauxval(3).
func (r *Recorder) auxiliary(tid int) map[uint64]uint64 {
	b, _ := os.ReadFile(proc(tid) + "/auxv")
	aux := map[uint64]uint64{}
	size := r.wordSize(tid)
	for ; len(b) >= 2*size; b = b[2*size:] {
		if size == 4 {
			aux[uint64(binary.NativeEndian.Uint32(b))] = uint64(binary.NativeEndian.Uint32(b[4:]))
			continue
		}
		aux[native(b)] = native(b[8:])
	}
	return aux
}

// wordSize is 4 for a 32-bit program, whose file says so.
func (r *Recorder) wordSize(tid int) int {
	head := r.tree.head(proc(tid)+"/exe", 5)
	if len(head) == 5 && string(head[:4]) == "\x7fELF" && head[4] == 1 {
		return 4
	}
	return 8
}

// mapped is the file that is mapped at an address, or "".
func mapped(tid int, addr uint64) string {
	if addr == 0 {
		return ""
	}
	b, err := os.ReadFile(proc(tid) + "/maps")
	if err != nil {
		return ""
	}
	for _, line := range strings.Split(string(b), "\n") {
		from, _, _ := strings.Cut(line, "-")
		if at, err := strconv.ParseUint(from, 16, 64); err != nil || at != addr {
			continue
		}
		if i := strings.IndexByte(line, '/'); i >= 0 {
			return unescape(line[i:])
		}
	}
	return ""
}

// unescape undoes what the kernel does to a newline in the name of a mapped file.
func unescape(name string) string { return strings.ReplaceAll(name, `\012`, "\n") }

// script records what was given to execve(2), if that is another file than the program that
// runs now, and the interpreters between them.
func (r *Recorder) script(tid int, addr uint64, exe found) {
	name, ok := ptrace.PeekString(tid, addr)
	if !ok {
		return
	}
	if rest, isFD := strings.CutPrefix(name, "/dev/fd/"); isFD {
		fd, rest, more := strings.Cut(rest, "/")
		if !more {
			if f, ok := r.descriptor(tid, "fd/"+fd); ok && f.st.Ino != exe.st.Ino {
				r.use(f.name, execute|readFile)
			}
			return
		}
		shown, err := os.Readlink(proc(tid) + "/fd/" + fd)
		dir, in := r.tree.within(shown)
		if err != nil || !in {
			return
		}
		name = join(dir, rest)
	}
	if !path.IsAbs(name) {
		base, err := r.base(tid, unix.AT_FDCWD, name)
		if err != nil {
			r.note("a script: " + err.Error())
			return
		}
		name = join(base, name)
	}
	const maxInterpreters = 6 // the kernel follows five
	for range maxInterpreters {
		real, st, err := r.tree.resolve(name, 0)
		if err != nil || st.Dev == exe.st.Dev && st.Ino == exe.st.Ino {
			return
		}
		r.use(real, execute|readFile)
		if name, ok = r.interpreter(real, st); !ok {
			return
		}
	}
}

// interpreter reads the name of the interpreter of a script.
func (r *Recorder) interpreter(name string, st unix.Stat_t) (string, bool) {
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return "", false
	}
	fd, at, err := r.tree.open(name, unix.O_NOFOLLOW)
	if err != nil {
		return "", false
	}
	defer unix.Close(fd)
	if at.Dev != st.Dev || at.Ino != st.Ino {
		return "", false
	}
	return execdeps.Script(r.tree.head("/proc/self/fd/"+strconv.Itoa(fd), 256))
}

// head is the beginning of a file.
func (t *tree) head(name string, size int) []byte {
	var head []byte
	if t.try(func() {
		f, err := os.Open(name)
		if err != nil {
			return
		}
		defer f.Close()
		b := make([]byte, size)
		n, _ := f.Read(b)
		head = b[:n]
	}) != nil {
		return nil
	}
	return head
}
