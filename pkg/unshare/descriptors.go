package unshare

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// hold makes the supervisor keep descriptors.
func (n *Namespaces) hold(s *stage.State) error {
	for _, fd := range n.Held {
		if !n.clones() && !s.Plan.Cloned() {
			return fmt.Errorf("--keep-fd %d: there is no supervisor without a user, PID or time namespace or --setsid", fd)
		}
		_, err := s.Host.FDInfo(fd)
		if errors.Is(err, unix.ENOENT) {
			err = errors.New("the caller has no such descriptor")
		}
		if err != nil {
			return fmt.Errorf("--keep-fd %d: %w", fd, err)
		}
	}
	s.Plan.Keep = append(s.Plan.Keep, n.Held...)
	return nil
}

// checkKept rejects a descriptor that is to be left to the next program and is used up
// before.
func (n *Namespaces) checkKept() error {
	used := map[int]string{}
	for _, j := range n.Join {
		for _, word := range [...]string{pidfdWord, socketWord, fileWord} {
			if text, ok := strings.CutPrefix(j.Target, word); ok {
				fd, _ := strconv.Atoi(text)
				used[fd] = "--join " + j.String()
			}
		}
	}
	if n.Block > 0 {
		used[n.Block] = fmt.Sprintf("--block-fd %d", n.Block)
	}
	if n.UserBlock > 0 {
		used[n.UserBlock] = fmt.Sprintf("--userns-block-fd %d", n.UserBlock)
	}
	for _, fd := range n.KeepFDs {
		if by := used[fd]; by != "" {
			return fmt.Errorf("--close-fds=%d: %s closes this descriptor, so that the next program cannot get it", fd, by)
		}
	}
	return nil
}

// closeFDs marks every descriptor above 2, except those in keep, to be closed by
// execve(2). keep is sorted.
func closeFDs(keep []int) []*plan.Op {
	var ops []*plan.Op
	from := 3
	for _, fd := range keep {
		if fd > from {
			ops = append(ops, plan.CloseRange(uint32(from), uint32(fd-1), unix.CLOSE_RANGE_CLOEXEC))
		}
		from = max(from, fd+1)
	}
	return append(ops, plan.CloseRange(uint32(from), math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC))
}

// numbers are environment variables whose value is a descriptor.
var numbers = [...]string{"WAYLAND_SOCKET", "NODE_CHANNEL_FD", "BASH_XTRACEFD"}

// stale lists the variables of an environment that name closed descriptors: those of
// sd_listen_fds(3), unless all of them are kept, and numbers. keep is sorted.
func stale(env []string, keep []int) (names []string) {
	closed := func(fd int) bool { return fd > 2 && !slices.Contains(keep, fd) }
	for _, v := range env {
		name, value, _ := strings.Cut(v, "=")
		n, err := strconv.Atoi(value)
		switch {
		case name == "LISTEN_FDS":
			all := err == nil && n >= 0 && n <= len(keep)
			for fd := 3; all && fd < 3+n; fd++ {
				all = !closed(fd)
			}
			if !all {
				names = append(names, "LISTEN_FDS", "LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDNAMES")
			}
		case slices.Contains(numbers[:], name) && err == nil && closed(n):
			names = append(names, name)
		}
	}
	return names
}
