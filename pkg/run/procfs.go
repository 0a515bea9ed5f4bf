package run

import (
	"bytes"
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// A procfs is an open directory of a procfs, of this PID namespace: what is mounted over
// /proc later does not matter. nil is none, with nothing in it.
type procfs struct{ fd int }

var errNoProcfs = errors.New("without a procfs of this PID namespace on /proc, the processes that descend from the payload cannot be found: mount one, or use a new PID namespace")

// openProcfs opens the procfs on /proc.
func openProcfs() (*procfs, error) {
	fd, err := unix.Open("/proc", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, errNoProcfs
	}
	p := &procfs{fd}
	var fs unix.Statfs_t
	self := make([]byte, 16)
	n, err := unix.Readlinkat(fd, "self", self)
	if unix.Fstatfs(fd, &fs) != nil || fs.Type != unix.PROC_SUPER_MAGIC || err != nil || string(self[:n]) != strconv.Itoa(os.Getpid()) {
		p.close()
		return nil, errNoProcfs
	}
	return p, nil
}

func (p *procfs) close() {
	if p != nil {
		unix.Close(p.fd)
	}
}

// read reads a small file.
func (p *procfs) read(name string) []byte {
	if p == nil {
		return nil
	}
	fd, err := unix.Openat(p.fd, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	b := make([]byte, 4096)
	n, _ := unix.Read(fd, b)
	return b[:max(n, 0)]
}

// names lists a directory.
func (p *procfs) names(name string) []string {
	if p == nil {
		return nil
	}
	fd, err := unix.Openat(p.fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	dir := os.NewFile(uintptr(fd), name)
	defer dir.Close()
	list, _ := dir.Readdirnames(-1)
	return list
}

// processes lists all processes.
func (p *procfs) processes() (list []numbered) {
	for _, name := range p.names(".") {
		if name[0] < '1' || name[0] > '9' {
			continue
		}
		if q, ok := parseStat(p.read(name + "/stat")); ok {
			list = append(list, q)
		}
	}
	return list
}

// childrenOf lists the children of a process.
func (p *procfs) childrenOf(pid int) (list []numbered) {
	for _, q := range p.processes() {
		if q.parent == pid {
			list = append(list, q)
		}
	}
	return list
}

// has reports whether the number of a process is still its own.
func (p *procfs) has(q numbered) bool {
	now, ok := parseStat(p.read(strconv.Itoa(q.pid) + "/stat"))
	return ok && now.is(q)
}

// signal sends a signal to a process, if its number is still its own.
func (p *procfs) signal(q numbered, sig unix.Signal) {
	fd, err := unix.PidfdOpen(q.pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if p.has(q) {
		unix.PidfdSendSignal(fd, sig, nil, 0)
	}
}

// A numbered is a process by its number and start time.
type numbered struct {
	pid, parent int
	start       uint64
	// over is set for a zombie of which no thread is left.
	over bool
}

func (p numbered) is(other numbered) bool { return p.pid == other.pid && p.start == other.start }

// parseStat parses /proc/PID/stat. The program's name is in parentheses, and may contain
// some.
func parseStat(b []byte) (p numbered, ok bool) {
	const threads, startTime = 20 - 3, 22 - 3 // the state is the third field
	number, _, _ := bytes.Cut(b, []byte(" "))
	words := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(words) <= startTime {
		return p, false
	}
	var err [3]error
	p.pid, err[0] = strconv.Atoi(string(number))
	p.parent, err[1] = strconv.Atoi(string(words[1]))
	p.start, err[2] = strconv.ParseUint(string(words[startTime]), 10, 64)
	// Its first thread may have ended before the others.
	p.over = string(words[0]) == "X" || string(words[0]) == "Z" && (string(words[threads]) == "1" || string(words[threads]) == "0")
	if err != [3]error{} {
		return numbered{}, false
	}
	return p, true
}

// hasOwnProcfs reports whether the procfs on /proc has the numbers of this PID namespace.
func hasOwnProcfs() bool {
	self, err := os.Readlink("/proc/self")
	return err == nil && self == strconv.Itoa(os.Getpid())
}
