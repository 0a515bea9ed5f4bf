package run

import "golang.org/x/sys/unix"

// foreground is a descriptor of the terminal if this process group is the one in
// its foreground, or -1.
func foreground() int {
	fd, err := unix.Open("/dev/tty", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	if group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP); err != nil || group != unix.Getpgrp() {
		unix.Close(fd)
		return -1
	}
	return fd
}

// giveBack puts this process group into the foreground again if the one that is
// there has no member any more. An interactive shell puts itself there, and
// cannot give it back to a group outside of its PID namespace.
//
// Preconditions: SIGTTOU is blocked.
func (s *Supervisor) giveBack() {
	if s.terminal < 0 {
		return
	}
	group, err := unix.IoctlGetInt(s.terminal, unix.TIOCGPGRP)
	if err != nil || group <= 0 || group == unix.Getpgrp() || unix.Kill(-group, 0) != unix.ESRCH {
		return
	}
	unix.IoctlSetPointerInt(s.terminal, unix.TIOCSPGRP, unix.Getpgrp())
}
