package inspect

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"hk/pkg/host"

	"golang.org/x/sys/unix"
)

// A process is the process that is looked at, in the procfs on /proc.
type process struct {
	// dir is its directory in procfs, or -1, and missing is why there is none.
	dir     int
	missing error
	pid     int
	// tid is the thread that is looked at: the first one or, if that has ended, the first of
	// those that have not. ended is set if all have, and nobody has waited for the process.
	tid   int
	ended bool
	// own is set for this process, of which much can be asked without procfs. Its state
	// is that of the caller: what this program's start has changed is taken back.
	own  bool
	host *host.Host
	// lack is set once something could not be read because this process, or the machine, has
	// too few descriptors or too little memory: that says nothing about the process.
	lack error
}

var errNoProcfs = errors.New("no procfs of this PID namespace is mounted on /proc")

// openProcess opens the directory of a process; pid 0 is this one. Everything is read by
// that descriptor: once the process has ended, the kernel returns ESRCH, even if its
// number is used again.
func openProcess(h *host.Host, pid int) (*process, error) {
	p := &process{dir: -1, pid: pid, own: pid == 0 || pid == h.PID, host: h}
	name := strconv.Itoa(pid)
	if p.own {
		p.pid, name = h.PID, "self"
	}
	p.tid = p.pid
	proc, err := openProcfs()
	if err == nil {
		defer unix.Close(proc)
	}
	if err == nil && !p.own {
		err = ofThisNamespace(proc)
	}
	if err != nil {
		p.missing = err
		if p.notes(err); !p.own {
			return nil, err
		}
		return p, nil
	}
	how := unix.OpenHow{Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_XDEV}
	p.dir, err = unix.Openat2(proc, name, &how)
	switch {
	case err == nil && !p.own:
		p.findThread()
		return p, nil
	case err == nil:
		return p, nil
	case p.own:
		if p.dir, p.missing = -1, errNoProcfs; p.notes(err) {
			p.missing = err
		}
		return p, nil
	case err == unix.ENOENT:
		return nil, fmt.Errorf("there is no process %d", pid)
	}
	return nil, fmt.Errorf("/proc/%d: %w", pid, err)
}

// exhausted reports whether an error is about what this process, or the machine, lacks.
func exhausted(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOMEM)
}

// notes keeps such an error.
func (p *process) notes(err error) bool {
	if !exhausted(err) {
		return false
	}
	if p.lack == nil {
		p.lack = err
	}
	return true
}

func openProcfs() (int, error) {
	fd, err := unix.Open("/proc", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	switch {
	case exhausted(err):
		return -1, err
	case err != nil:
		return -1, errNoProcfs
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil || fs.Type != unix.PROC_SUPER_MAGIC {
		unix.Close(fd)
		return -1, errNoProcfs
	}
	return fd, nil
}

// ofThisNamespace returns an error unless a procfs is of the PID namespace of this process, so
// that a number there is the same as everywhere: this process has no other number below.
func ofThisNamespace(proc int) error {
	fd, err := unix.Openat(proc, "self/status", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	text := ""
	if err == nil {
		defer unix.Close(fd)
		text, err = readAll(fd)
	}
	_, line, ok := strings.Cut(text, "\nNSpid:")
	line, _, _ = strings.Cut(line, "\n")
	switch {
	case exhausted(err):
		return err
	case err != nil || !ok || len(strings.Fields(line)) != 1:
		return errNoProcfs
	}
	return nil
}

func (p *process) close() {
	if p.dir >= 0 {
		unix.Close(p.dir)
	}
}

// open opens a file of the process. EXDEV means that something is mounted over it.
func (p *process) open(name string, flags int) (int, error) {
	if p.dir < 0 {
		return -1, p.missing
	}
	how := unix.OpenHow{Flags: uint64(flags) | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_MAGICLINKS}
	fd, err := unix.Openat2(p.dir, p.of(name), &how)
	p.notes(err)
	return fd, err
}

// of is the name of a file of the thread that is looked at. What a process has as a whole is
// not in the directory of a thread.
func (p *process) of(name string) string {
	if p.tid == p.pid || name == "stat" || name == "task" || strings.HasPrefix(name, "task/") {
		return name
	}
	return "task/" + strconv.Itoa(p.tid) + "/" + name
}

// read reads a file of the process.
func (p *process) read(name string) (string, error) {
	fd, err := p.open(name, unix.O_RDONLY)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	text, err := readAll(fd)
	p.notes(err)
	return text, err
}

// maxWords is more than execve(2) takes, of which the kernel limits the arguments and the
// environment together to 6 MiB.
const maxWords = 8 << 20

var errTooLong = errors.New("longer than what execve(2) takes, and so not what the process was executed with")

// readWords reads the command line or the environment, which the process may have replaced by
// any part of its memory: prctl(2), PR_SET_MM.
func (p *process) readWords(name string) (string, error) {
	fd, err := p.open(name, unix.O_RDONLY)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	text, err := readUpTo(fd, maxWords)
	if p.notes(err); err == nil && len(text) > maxWords {
		return "", errTooLong
	}
	return text, err
}

// readAll reads to the end of a file. Package os would start its poller for it.
func readAll(fd int) (string, error) { return readUpTo(fd, math.MaxInt) }

// readUpTo reads little more than a number of bytes.
func readUpTo(fd, most int) (string, error) {
	var text []byte
	b := make([]byte, 16<<10)
	for len(text) <= most {
		n, err := unix.Read(fd, b)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			return string(text), err
		}
		text = append(text, b[:n]...)
	}
	return string(text), nil
}

// link reads a symbolic link of the process.
func (p *process) link(name string) (string, error) {
	fd, err := p.open(name, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	b := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", b)
	if err != nil {
		return "", err
	}
	return string(b[:n]), nil
}

// list lists a directory of the process, without the descriptor that is opened for it.
func (p *process) list(name string) ([]string, error) {
	fd, err := p.open(name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	names, err := listDir(fd, math.MaxInt)
	if p.own {
		names = without(names, strconv.Itoa(fd))
	}
	return names, err
}

// listDir lists a directory, up to little more than a number of names.
func listDir(fd, most int) (names []string, err error) {
	b := make([]byte, 16<<10)
	for len(names) <= most {
		n, err := unix.ReadDirent(fd, b)
		if err != nil || n <= 0 {
			return names, err
		}
		_, _, names = unix.ParseDirent(b[:n], -1, names)
	}
	return names, nil
}

func without(names []string, name string) []string {
	var left []string
	for _, n := range names {
		if n != name {
			left = append(left, n)
		}
	}
	return left
}
