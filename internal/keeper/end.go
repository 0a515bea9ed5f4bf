package keeper

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// end kills what is in the group, and waits until it is empty. It waits as long as it
// takes: a process in an uninterruptible call ends only after it.
func (g *group) end() error {
	for {
		if err := g.kill(); err != nil {
			return err
		}
		empty, err := g.waitEmpty(500 * time.Millisecond)
		if empty || err != nil {
			return err
		}
	}
}

// kill sends SIGKILL to all processes of the group, also to those that are created
// meanwhile.
func (g *group) kill() error {
	var errs []error
	if p := g.unified(); p != nil {
		errs = append(errs, p.dir.write("cgroup.kill", "1"))
	}
	freezer := g.with("freezer")
	if freezer != nil {
		// A frozen process creates none, and it ends when it is thawed.
		errs = append(errs, freezer.setFrozen("FROZEN"))
		freezer.waitFrozen(50 * time.Millisecond)
	}
	for _, p := range g.parts {
		if !p.v2 {
			errs = append(errs, p.signal(unix.SIGKILL))
		}
	}
	if freezer != nil {
		errs = append(errs, freezer.setFrozen("THAWED"))
	}
	return errors.Join(errs...)
}

// signal sends a signal to each process of the group.
func (g *group) signal(sig unix.Signal) error { return g.parts[0].signal(sig) }

// signal sends a signal to each process of this part. A pidfd that was opened before the
// process was seen in the group a second time cannot be that of another process.
func (p *part) signal(sig unix.Signal) error {
	return p.each(func(d *dir) error {
		fds := map[string]int{}
		for _, word := range d.words("cgroup.procs") {
			// 0 is a process that is not in this PID namespace or below.
			pid, err := strconv.Atoi(word)
			if err != nil || pid == 0 || pid == os.Getpid() {
				continue
			}
			if fd, err := unix.PidfdOpen(pid, 0); err == nil {
				fds[word] = fd
			}
		}
		for _, word := range d.words("cgroup.procs") {
			if fd, ok := fds[word]; ok {
				unix.PidfdSendSignal(fd, sig, nil, 0)
			}
		}
		for _, fd := range fds {
			unix.Close(fd)
		}
		return nil
	})
}

// each calls f for this part and what the payload has made in it. It may leave out some of
// that while the payload removes others: it is called again until nothing is left.
func (p *part) each(f func(*dir) error) error {
	if err := p.dir.walk(f); err != errLost {
		return ignoreAbsent(err)
	}
	return nil
}

// setFrozen sets the state of this part and of what the payload made in it.
func (p *part) setFrozen(state string) error {
	return p.each(func(d *dir) error {
		// Only the state of the upper one counts if it is frozen.
		if state == "FROZEN" && d != p.dir {
			return nil
		}
		return ignoreAbsent(d.write("freezer.state", state))
	})
}

func (p *part) waitFrozen(most time.Duration) {
	for end := time.Now().Add(most); time.Now().Before(end); time.Sleep(200 * time.Microsecond) {
		if text, err := p.dir.read("freezer.state"); err != nil || strings.TrimSpace(text) == "FROZEN" {
			return
		}
	}
}

// ignoreAbsent leaves out the error that a cgroup was removed.
func ignoreAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}

// waitEmpty waits until the group has no processes, for at most that time.
func (g *group) waitEmpty(most time.Duration) (bool, error) {
	events := -1
	if p := g.unified(); p != nil {
		fd, err := p.dir.open("cgroup.events", unix.O_RDONLY)
		if err != nil {
			return false, err
		}
		defer unix.Close(fd)
		events = fd
	}
	pause := 200 * time.Microsecond
	for end := time.Now().Add(most); ; pause = min(2*pause, 20*time.Millisecond) {
		empty, err := g.isEmpty()
		if empty || err != nil || time.Now().After(end) {
			return empty, err
		}
		waitEvent(events, pause)
	}
}

// waitEvent waits until the file of events changes, or for a time. The file was read
// through another descriptor, so a change before is not reported: the time is short.
func waitEvent(events int, most time.Duration) {
	if events < 0 {
		time.Sleep(most)
		return
	}
	fds := []unix.PollFd{{Fd: int32(events), Events: unix.POLLPRI}}
	t := unix.NsecToTimespec(int64(most))
	unix.Ppoll(fds, &t, nil)
	var text [256]byte
	unix.Pread(events, text[:], 0)
}

func (g *group) isEmpty() (bool, error) {
	for _, p := range g.parts {
		if empty, err := p.isEmpty(); !empty || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (p *part) isEmpty() (bool, error) {
	if p.v2 {
		text, err := p.dir.read("cgroup.events")
		return parseKeyed(text)["populated"] == 0, err
	}
	empty := true
	err := p.dir.walk(func(d *dir) error {
		text, err := d.read("cgroup.procs")
		if strings.TrimSpace(text) != "" {
			empty = false
		}
		return ignoreAbsent(err)
	})
	if err == errLost {
		return false, nil
	}
	return empty, ignoreAbsent(err)
}

// ignoreGone leaves out the error that a process has ended.
func ignoreGone(err error) error {
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}
