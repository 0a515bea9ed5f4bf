package limit

import (
	"errors"
	"os"
	"strconv"
	"strings"

	"hk/pkg/getopt"
	"hk/pkg/host"
	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// reportFlag reads where the report goes: a file, "-" or "fd:N".
func (l *Limits) reportFlag(v string) error {
	if n, ok := strings.CutPrefix(v, "fd:"); ok {
		if _, err := getopt.ParseFD(n); err != nil {
			return err
		}
	} else if v == "" {
		return errors.New("a file, - or fd:N is needed")
	}
	l.Report = v
	return nil
}

// planReport adds the step that opens the report, and one that makes the peak of this
// process's memory start again: the payload inherits it.
func (g *guard) planReport(s *stage.State) {
	s.For("--report " + g.Report)
	defer s.For("")
	fd := -1
	if n, ok := strings.CutPrefix(g.Report, "fd:"); ok {
		fd, _ = strconv.Atoi(n)
		s.Plan.Keep = append(s.Plan.Keep, fd)
	} else if g.Report == "-" {
		fd = 1
	}
	s.Plan.AddStep(plan.Step{Stage: s.Name, Text: "open the report " + g.Report, Do: func(plan.Context) (err error) {
		if fd < 0 {
			g.report, err = openReport(g.Report)
			return err
		}
		g.report, err = heldReport(fd)
		return err
	}})
	if g.Cgroup.Limits() {
		return
	}
	s.Plan.AddStep(plan.Step{Stage: s.Name, Text: "reset the peak memory of this process, which the payload inherits: write 5 to /proc/self/clear_refs",
		Do: func(plan.Context) error { g.floor = resetPeak(); return nil }})
}

// openReport opens the file for a report, and empties it: what another payload has left
// there is not to be taken for this one's.
func openReport(name string) (*os.File, error) {
	fd, err := host.Create(name)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// heldReport is a descriptor of the caller's, which the payload does not inherit but as
// standard output.
func heldReport(fd int) (*os.File, error) {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err == nil && flags&unix.O_ACCMODE == unix.O_RDONLY {
		err = unix.EBADF
	}
	if err == nil && fd <= 2 {
		fd, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	} else if err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC)
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "report"), nil
}

// resetPeak makes the peak of this process's resident memory start again, and returns
// it in bytes, or 0 without a procfs.
func resetPeak() uint64 {
	if os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) != nil {
		return 0
	}
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, _ := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 10, 64)
			return n << 10
		}
	}
	return 0
}
