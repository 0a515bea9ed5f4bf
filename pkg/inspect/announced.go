package inspect

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"hk/internal/announced"
	"hk/pkg/host"

	"golang.org/x/sys/unix"
)

// Bounds for what a program that is not trusted has in its memory: how much of its list of
// mappings is read, of how many mappings the beginning is, and for how long. A program can have
// memory of which a server of its own has to give the content.
const (
	maxMaps      = 16 << 20
	maxAnnounced = 4096
	announceTime = 2 * time.Second
)

// announcedBy is the supervisor of the first process in line, if the last one is a program that
// uses the library and says so in its memory ([announced.Memory]); or nil. What it says is worth
// no more than the words of a command line: it is never exact.
func announcedBy(h *host.Host, line []*process) *Supervisor {
	p, below := line[len(line)-1], line[:len(line)-1]
	if !p.sharesPIDs(h) || p.dir < 0 {
		return nil
	}
	// The payload is the child, or below an init.
	var pids []int
	for _, c := range slices.Backward(below) {
		if pids = append(pids, c.pid); len(pids) == 2 {
			break
		}
	}
	words, payload := p.announces(pids)
	if len(words) == 0 || !slices.Contains(stagePrograms(), words[0]) {
		return nil
	}
	own := slices.Index(pids, payload)
	command, err := commandOf(below[len(below)-1-own])
	if err != nil || slices.Contains(programs, filepath.Base(command[0])) {
		command = []string{"COMMAND"} // whose words would belong to the chain
	}
	called, err := commandOf(p)
	if err != nil {
		return nil
	}
	s := &Supervisor{PID: p.pid, Own: own, Words: append(append(words, "--"), command...), library: filepath.Base(called[0]),
		Unsure: fmt.Sprintf("Process %d is a program that uses the library of hk, and says what it likes", p.pid)}
	if s.Dir, err = ownDir(h); err != nil {
		s.Dir = ""
	}
	var text string
	if text, s.envErr = p.readWords("environ"); s.envErr == nil {
		// The library needs no stage in PATH, and the words are to be those of this installation.
		s.env = append([]string{"PATH=" + s.Dir}, strings.Split(strings.TrimSuffix(text, "\x00"), "\x00")...)
	}
	return s
}

// sharesPIDs reports whether a process is in the PID namespace of this one, as far as it may be
// looked at.
func (p *process) sharesPIDs(h *host.Host) bool {
	self, err := openProcess(h, 0)
	if err != nil {
		return false
	}
	defer self.close()
	own, err := self.namespace("pid")
	if err != nil {
		return false
	}
	there, err := p.namespace("pid")
	return err == nil && there == own
}

// announces is the chain of the first of some processes that the memory of another one names.
func (p *process) announces(pids []int) (words []string, pid int) {
	fd, err := p.open("maps", unix.O_RDONLY)
	if err != nil {
		return nil, 0
	}
	maps, err := readUpTo(fd, maxMaps)
	unix.Close(fd)
	device, err2 := memoryDevice()
	if err != nil || err2 != nil {
		return nil, 0
	}
	mem, err := p.open("mem", unix.O_RDONLY)
	if err != nil {
		return nil, 0
	}
	type result struct {
		words []string
		pid   int
	}
	done := make(chan result, 1)
	go func() { // which may never end
		defer unix.Close(mem)
		words, pid := announcedIn(maps, device, pids, func(b []byte, at int64) (int, error) { return unix.Pread(mem, b, at) })
		done <- result{words, pid}
	}()
	select {
	case r := <-done:
		return r.words, r.pid
	case <-time.After(announceTime):
		return nil, 0
	}
}

// announcedIn looks for one of some processes in the mappings of another one.
func announcedIn(maps, device string, pids []int, read func(b []byte, at int64) (int, error)) (words []string, pid int) {
	left := maxAnnounced
	for line := range strings.Lines(maps) {
		from, size, ok := announcedAt(line, device)
		if !ok {
			continue
		}
		if left--; left < 0 {
			break
		}
		head := make([]byte, announced.Header)
		n, err := read(head, from)
		if err != nil {
			continue
		}
		length, named, ok := announced.Parse(head[:n])
		i := slices.IndexFunc(pids, func(pid int) bool { return slices.Contains(named, pid) })
		if !ok || i < 0 || int64(announced.Header+length) > size {
			continue
		}
		text := make([]byte, length)
		if n, err := read(text, from+announced.Header); err == nil && n == length {
			return announced.Words(text), pids[i]
		}
	}
	return nil, 0
}

// announcedAt is where a line of /proc/PID/maps says that such memory is.
func announcedAt(line, device string) (from, size int64, ok bool) {
	f := strings.Fields(line)
	if len(f) != 7 || f[5] != "/memfd:"+announced.Name || f[1] != "rw-s" || f[2] != "00000000" || f[3] != device {
		return 0, 0, false
	}
	first, last, _ := strings.Cut(f[0], "-")
	from, err := strconv.ParseInt(first, 16, 64)
	to, err2 := strconv.ParseInt(last, 16, 64)
	return from, to - from, errors.Join(err, err2) == nil && to > from
}

// memoryDevice is the device of memory that memfd_create(2) makes, as in /proc/PID/maps.
func memoryDevice() (string, error) {
	fd, err := unix.MemfdCreate("hk-inspect", unix.MFD_CLOEXEC)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return "", err
	}
	return fmt.Sprintf("%02x:%02x", unix.Major(st.Dev), unix.Minor(st.Dev)), nil
}
