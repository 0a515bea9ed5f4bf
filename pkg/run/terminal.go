package run

import "golang.org/x/sys/unix"

// A terminal is the controlling terminal of this process.
type terminal struct {
	fd int // or -1
	// foreground is set if this process group was its foreground process group at the
	// start.
	foreground bool
	// lost is set once another process group is in the foreground while this process is
	// stopped, or about to be.
	lost bool
}

func openTerminal() terminal {
	fd, err := unix.Open("/dev/tty", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return terminal{fd: -1}
	}
	t := terminal{fd: fd}
	t.foreground = t.group() == unix.Getpgrp()
	return t
}

// group is the foreground process group, or 0.
func (t *terminal) group() int {
	if t.fd < 0 {
		return 0
	}
	group, err := unix.IoctlGetInt(t.fd, unix.TIOCGPGRP)
	if err != nil {
		return 0
	}
	return group
}

// regained reports whether this process group has become the foreground process group
// again since another one was seen there: the user has told a shell fg. The shell sends
// SIGCONT only if it considers the job stopped, and not if a lookout has just continued
// it.
func (t *terminal) regained() bool {
	group := t.group()
	back := t.lost && group == unix.Getpgrp()
	t.lost = group > 0 && group != unix.Getpgrp()
	return back
}

// giveBack makes this process group the foreground process group again if the current
// one has no members any more. An interactive shell puts itself into the foreground,
// and cannot restore a process group outside its PID namespace.
//
// Preconditions: SIGTTOU is blocked.
func (t *terminal) giveBack() {
	group := t.group()
	if !t.foreground || group <= 0 || group == unix.Getpgrp() || unix.Kill(-group, 0) != unix.ESRCH {
		return
	}
	unix.IoctlSetPointerInt(t.fd, unix.TIOCSPGRP, unix.Getpgrp())
}

// isStale reports whether a signal is a stop for a read or write in the background, and
// this process group is in the foreground by now. A SIGCONT discards such a signal only
// until a thread has taken it.
func (s *Supervisor) isStale(info siginfo) bool {
	sig := info.signal()
	return (sig == unix.SIGTTIN || sig == unix.SIGTTOU) && info.code == siKernel &&
		unix.Getpgrp() > 0 && s.terminal.group() == unix.Getpgrp()
}
