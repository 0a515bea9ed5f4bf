package access

import (
	"encoding/binary"
	"errors"
	"os"
	"path"
	"strconv"
	"strings"
	"unsafe"

	"hk/pkg/execdeps"
	"hk/pkg/ptrace"

	"golang.org/x/sys/unix"
)

func native(b []byte) uint64 { return binary.NativeEndian.Uint64(b) }

// Executed records a program that was executed: itself, its loader, and the scripts by which
// it is the interpreter. The first one has the root directory in which names are looked up.
func (r *Recorder) Executed(tid int) {
	program := r.executed(tid)
	initial := !r.begun
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
	r.useFound(tid, exe, execute|readFile)
	aux := auxiliary(tid)
	if initial {
		program = r.initial(tid, aux[atExecfn])
	}
	if loader := mapped(tid, aux[atBase]); loader.name != "" {
		if o, err := r.loader(loader); err == nil {
			r.use(o, execute|readFile)
		} else {
			r.refuse(loader.name, err)
		}
	}
	r.script(tid, program, exe.object)
}

// executing notes the name that execve(2) is given, from the root of the tree.
func (r *Recorder) executing(tid int, c ptrace.Call, dir int, addr uint64) {
	name, ok := r.memory().PeekString(tid, addr)
	if !ok {
		r.keep(tid, entry{err: errMemory})
		return
	}
	e := r.program(tid, dir, name)
	if e.given = name; dir != unix.AT_FDCWD && !path.IsAbs(name) {
		e.given = strings.TrimSuffix("/dev/fd/"+strconv.Itoa(dir)+"/"+name, "/")
	}
	r.keep(tid, e)
}

// program looks up what is executed, which can be given by a descriptor.
func (r *Recorder) program(tid, dir int, name string) (e entry) {
	fd := ""
	if name == "" {
		fd = strconv.Itoa(dir)
	}
	for _, prefix := range []string{"/proc/self/fd/", "/dev/fd/"} {
		if n, ok := strings.CutPrefix(name, prefix); ok && !strings.Contains(n, "/") {
			fd = n
		}
	}
	if fd != "" {
		e.byNumber = true
		var f found
		f, _, e.err = r.inTree(tid, "fd/"+fd)
		name = f.name
	} else {
		e.program = name
		name, e.err = r.absolute(tid, dir, name)
	}
	if e.err == nil {
		e.program = name
		e.to, e.err = r.tree.lookup(name, true)
	}
	return e
}

// initial is the first program: what was given to execve(2) is in its memory, which the
// payload has not had yet.
func (r *Recorder) initial(tid int, execfn uint64) entry {
	name, ok := r.memory().PeekString(tid, execfn)
	if !ok {
		return entry{err: errMemory}
	}
	e := r.program(tid, unix.AT_FDCWD, name)
	e.given = name
	return e
}

// executed is what was noted of the call that has ended in a new program. The thread that has
// made it has another number by then, unless it was the first of its process.
func (r *Recorder) executed(tid int) entry {
	e, ok := r.pending[tid]
	for other, o := range r.pending {
		if other != tid && r.group[other] == tid {
			if o.program != "" || o.err != nil {
				e, ok = o, true
			}
			delete(r.pending, other)
		}
	}
	delete(r.pending, tid)
	if !ok {
		e.err = errMemory
	}
	return e
}

// AT_BASE and AT_EXECFN of getauxval(3): where the loader is, and what was given to execve(2).
const (
	atBase   = 7
	atExecfn = 31
)

// auxiliary is the auxiliary vector of a program: getauxval(3). The first entry of that of a
// 32-bit program has no small key if it is read as one of 64 bits.
func auxiliary(tid int) map[uint64]uint64 {
	b, _ := os.ReadFile(proc(tid) + "/auxv")
	aux := map[uint64]uint64{}
	size := 8
	if len(b) >= 8 && native(b) > 0xffff {
		size = 4
	}
	for ; len(b) >= 2*size; b = b[2*size:] {
		if size == 4 {
			aux[uint64(binary.NativeEndian.Uint32(b))] = uint64(binary.NativeEndian.Uint32(b[4:]))
			continue
		}
		aux[native(b)] = native(b[8:])
	}
	return aux
}

// A mapping is a file that is mapped, as /proc/PID/maps has it: a device, an inode, which need
// not be those of stat(2), and a name.
type mapping struct{ inode, name string }

// mapped is what is mapped at an address.
func mapped(tid int, addr uint64) (m mapping) {
	if addr == 0 {
		return m
	}
	b, err := os.ReadFile(proc(tid) + "/maps")
	if err != nil {
		return m
	}
	for _, line := range strings.Split(string(b), "\n") {
		from, _, _ := strings.Cut(line, "-")
		if at, err := strconv.ParseUint(from, 16, 64); err != nil || at != addr {
			continue
		}
		w := strings.Fields(line)
		if i := strings.IndexByte(line, '/'); i >= 0 && len(w) > 5 {
			return mapping{w[3] + " " + w[4], line[i:]}
		}
	}
	return m
}

// loader is the file of a mapping: that to which its name leads, if a mapping of it has the
// same device and inode. A newline in a name is shown as \012, and such a name leads nowhere.
func (r *Recorder) loader(m mapping) (object, error) {
	name, ok := r.tree.within(m.name)
	if !ok {
		return object{}, errOutside
	}
	s, err := r.tree.exact(name)
	if err != nil {
		return object{}, err
	}
	if !s.there || s.kind() != unix.S_IFREG {
		return object{}, errReplaced
	}
	if known, ok := r.loaders[m.inode]; ok && known.name == s.name && known.id() == s.id() {
		return s.object, nil
	}
	inode := ""
	if err := r.tree.read(s.object, func(f *os.File) { inode = mapsAs(f) }); err != nil {
		return object{}, err
	}
	if inode != m.inode {
		return object{}, errReplaced
	}
	if r.loaders == nil || len(r.loaders) >= maxPaths {
		r.loaders = map[string]object{}
	}
	r.loaders[m.inode] = s.object
	return s.object, nil
}

// mapsAs is the device and inode that a mapping of a file has.
func mapsAs(f *os.File) string {
	b, err := unix.Mmap(int(f.Fd()), 0, 1, unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return ""
	}
	defer unix.Munmap(b)
	return mapped(os.Getpid(), uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b))))).inode
}

// read opens a file of the tree for reading.
func (t *tree) read(o object, do func(f *os.File)) error {
	w, err := t.walk(o.name, false)
	if err != nil {
		return err
	}
	defer w.close()
	if !w.there || idOf(&w.obj) != o.id() || o.kind() != unix.S_IFREG {
		return errReplaced
	}
	fd := w.fd
	late := t.try(inMount(o.st.Mnt_id), func() {
		var f *os.File
		// Not waiting for a lease that the payload has: fcntl(2).
		if f, err = os.OpenFile("/proc/self/fd/"+strconv.Itoa(fd), os.O_RDONLY|unix.O_NONBLOCK, 0); err == nil {
			do(f)
			f.Close()
		}
	})
	if late != nil {
		w.abandon()
		return late
	}
	return err
}

// script records what was given to execve(2), if that is another file than the program that
// runs now, and the interpreters between them: if each of them leads to the next one, and the
// last one to the program.
func (r *Recorder) script(tid int, call entry, exe object) {
	if call.err != nil || !call.to.there {
		if call.program != exe.name {
			r.note("execve(2), perhaps of a script: " + errorOf(call.err))
		}
		return
	}
	var list []object
	s := call.to
	const maxInterpreters = 6 // the kernel follows five
follow:
	for range maxInterpreters {
		now, err := r.tree.again(s)
		if err == nil && (!now.there || now.id() != s.id()) {
			err = errReplaced
		}
		if err != nil {
			r.refuse(s.name, err)
			return
		}
		if now.id() == exe.id() {
			if len(list) > 0 && !r.runs(tid, call) {
				break follow
			}
			for _, o := range list {
				r.use(o, execute|readFile)
			}
			return
		}
		list = append(list, now.object)
		name, ok := r.interpreter(now.object)
		if !ok {
			break
		}
		if name, err = r.absolute(tid, unix.AT_FDCWD, name); err == nil {
			s, err = r.tree.lookup(name, true)
		}
		if err != nil {
			r.refuse(now.name, err)
			return
		}
	}
	r.refuse(call.to.name, errInterpreter)
}

// runs reports whether a process runs the script that was given to execve(2). The argument of the
// call alone could have been changed, so it has to be what the kernel has left in the memory of
// the new program, and the name of the process, up to 15 bytes, that of the script.
func (r *Recorder) runs(tid int, call entry) bool {
	given, ok := r.memory().PeekString(tid, auxiliary(tid)[atExecfn])
	b, err := os.ReadFile(proc(tid) + "/comm")
	name := path.Base(call.program)
	return ok && given == call.given && err == nil && (call.byNumber || strings.TrimSuffix(string(b), "\n") == name[:min(len(name), 15)])
}

func errorOf(err error) string {
	if err == nil {
		err = errReplaced
	}
	return err.Error()
}

var errInterpreter = errors.New("its first line does not lead to the program that runs")

// interpreter reads the name of the interpreter of a script.
func (r *Recorder) interpreter(o object) (name string, ok bool) {
	var head []byte
	if err := r.tree.read(o, func(f *os.File) {
		b := make([]byte, 256)
		n, _ := f.Read(b)
		head = b[:n]
	}); err != nil {
		return "", false
	}
	return execdeps.Script(head)
}
