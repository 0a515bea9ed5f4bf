package run

import (
	"bytes"
	"encoding/binary"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// maxLooks is how often the payload is checked while it is between two states, with the
// pause doubled each time: it may be waiting for this CPU.
const maxLooks = 8

// action is what the payload does on sig. If that cannot be seen because there is no
// procfs, the default action is assumed: ending a payload that would have continued is
// better than a job that cannot be stopped.
//
// A process that waits in rt_sigtimedwait(2) seems to have the default action for the
// signals that it waits for: they are not blocked meanwhile.
func (s *Supervisor) action(sig unix.Signal) action {
	for look := range maxLooks {
		sigs, err := signalsOf(s.payload)
		switch {
		case err != nil:
			return byDefault
		case sigs.blocked&bit(sig) != 0:
			return blocked
		case sigs.caught&bit(sig) != 0:
			return handled
		case sigs.ignored&bit(sig) != 0:
			return ignored
		}
		switch waits, running := s.waitsFor(sig); {
		case waits:
			return handled
		case !running:
			// It may have returned to the wait since.
			if again, err := signalsOf(s.payload); err == nil && again == sigs {
				return byDefault
			}
		default:
			time.Sleep(time.Millisecond << look)
		}
	}
	return byDefault
}

// signalSets is what /proc/PID/status says about signals.
type signalSets struct{ pending, blocked, ignored, caught uint64 }

// signalsOf reads what the process of pidfd does on signals.
func signalsOf(pidfd int) (signalSets, error) {
	b, err := readProc(pidfd, "status")
	if err != nil {
		return signalSets{}, err
	}
	return parseSignals(b)
}

// parseSignals parses /proc/PID/status.
func parseSignals(b []byte) (sets signalSets, err error) {
	found := 0
	for line := range bytes.Lines(b) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		var to *uint64
		switch string(name) {
		case "ShdPnd": // signals sent to the process, not to a thread
			to = &sets.pending
		case "SigBlk":
			to = &sets.blocked
		case "SigIgn":
			to = &sets.ignored
		case "SigCgt":
			to = &sets.caught
		default:
			continue
		}
		if *to, err = strconv.ParseUint(string(bytes.TrimSpace(value)), 16, 64); err != nil {
			return signalSets{}, err
		}
		found++
	}
	if found != 4 {
		return signalSets{}, unix.ENODATA
	}
	return sets, nil
}

// waitsFor reports whether the first thread of the payload waits for sig in
// rt_sigtimedwait(2). running means that it does not wait at the moment. A process that
// may not be inspected is treated as not waiting.
func (s *Supervisor) waitsFor(sig unix.Signal) (waits, running bool) {
	b, err := readProc(s.payload, "syscall")
	if err != nil {
		return false, false
	}
	at, waits, running := parseWait(b)
	if !waits {
		return false, running
	}
	var set [8]byte
	n, err := unix.ProcessVMReadv(s.Payload,
		[]unix.Iovec{{Base: &set[0], Len: uint64(len(set))}},
		[]unix.RemoteIovec{{Base: at, Len: len(set)}}, 0)
	return err != nil || n != len(set) || binary.NativeEndian.Uint64(set[:])&bit(sig) != 0, false
}

// parseWait parses /proc/PID/syscall: whether it is rt_sigtimedwait(2), by its number
// here or on the 32-bit architectures, and where the set is.
func parseWait(b []byte) (set uintptr, waits, running bool) {
	words := bytes.Fields(b)
	if len(words) == 0 || string(words[0]) == "running" {
		return 0, false, true
	}
	if len(words) < 2 {
		return 0, false, false
	}
	nr, err := strconv.Atoi(string(words[0]))
	const (
		on32   = 177 // on i386 and ARM
		time64 = 421
		onX32  = 0x40000000 + 523
	)
	if err != nil || nr != unix.SYS_RT_SIGTIMEDWAIT && nr != on32 && nr != time64 && nr != onX32 {
		return 0, false, false
	}
	at, err := strconv.ParseUint(string(words[1]), 0, 64)
	return uintptr(at), err == nil, false
}

// readProc reads a small file in procfs of the process of pidfd.
func readProc(pidfd int, name string) ([]byte, error) {
	fd, err := openProc(pidfd, name)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	b := make([]byte, 8192)
	n, err := unix.Read(fd, b)
	return b[:max(n, 0)], err
}

// openProc opens it. The procfs need not be that of this process's PID namespace: a new
// PID namespace may lack one.
func openProc(pidfd int, name string) (int, error) {
	pid, err := procPID(pidfd)
	if err != nil {
		return -1, err
	}
	fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/"+name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if again, err := procPID(pidfd); err != nil || again != pid {
		unix.Close(fd)
		return -1, unix.ESRCH // its PID may have been reused
	}
	return fd, nil
}

// procPID is the PID of the process of pidfd in the procfs that is mounted on /proc.
func procPID(pidfd int) (int, error) {
	b, err := os.ReadFile("/proc/self/fdinfo/" + strconv.Itoa(pidfd))
	if err != nil {
		return 0, err
	}
	return parsePID(b)
}

// parsePID parses /proc/PID/fdinfo of a PID file descriptor: 0 is a process that the
// procfs does not show, and -1 one that has been waited for.
func parsePID(b []byte) (int, error) {
	for line := range bytes.Lines(b) {
		if value, ok := bytes.CutPrefix(line, []byte("Pid:")); ok {
			pid, err := strconv.Atoi(string(bytes.TrimSpace(value)))
			if err == nil && pid <= 0 {
				err = unix.ESRCH
			}
			return pid, err
		}
	}
	return 0, unix.ENODATA
}

// parentOf is the number of the parent of the process that pidfd refers to, in the procfs
// that is mounted on /proc.
func parentOf(pidfd int) (int, error) {
	b, err := readProc(pidfd, "stat")
	if err != nil {
		return 0, err
	}
	return parentIn(b)
}

// parentOfPID is parentOf by a number.
func parentOfPID(pid int) (int, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, err
	}
	return parentIn(b)
}

// parentIn parses /proc/PID/stat.
func parentIn(b []byte) (int, error) {
	// The program's name is in parentheses, and may hold some.
	words := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(words) < 2 {
		return 0, unix.ENODATA
	}
	return strconv.Atoi(string(words[1]))
}
