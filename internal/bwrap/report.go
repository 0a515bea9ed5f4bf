package bwrap

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// A report writes what is asked for by --info-fd and --json-status-fd.
type report struct {
	info, status *os.File
	// created are the namespaces that are named, in this order.
	created []string
	ready   bool
}

// reported are the namespaces that bubblewrap reports.
var reported = []struct {
	name string
	flag uint64
}{
	{"cgroup", unix.CLONE_NEWCGROUP}, {"ipc", unix.CLONE_NEWIPC}, {"mnt", unix.CLONE_NEWNS}, {"net", unix.CLONE_NEWNET},
	{"pid", unix.CLONE_NEWPID}, {"uts", unix.CLONE_NEWUTS},
}

// reports are the descriptors for reports above 2.
func (s *Settings) reports() (fds []int) {
	for _, fd := range []int{s.InfoFD, s.StatusFD} {
		if fd > 2 {
			fds = append(fds, fd)
		}
	}
	return fds
}

// newReport takes over the descriptors: the payload does not inherit them.
func newReport(s *Settings, created uint64) (*report, error) {
	r := &report{}
	for _, d := range []struct {
		fd   int
		file **os.File
	}{{s.InfoFD, &r.info}, {s.StatusFD, &r.status}} {
		if d.fd < 0 {
			continue
		}
		flags, err := unix.FcntlInt(uintptr(d.fd), unix.F_GETFL, 0)
		if err == nil && (flags&unix.O_ACCMODE == unix.O_RDONLY || slices.Contains(s.Read, d.fd)) {
			err = unix.EBADF
		}
		if err == nil && d.fd > 2 {
			_, err = unix.FcntlInt(uintptr(d.fd), unix.F_SETFD, unix.FD_CLOEXEC)
		}
		if err != nil {
			return nil, &reportError{err}
		}
		*d.file = os.NewFile(uintptr(d.fd), "report")
	}
	for _, ns := range reported {
		if created&ns.flag != 0 {
			r.created = append(r.created, ns.name)
		}
	}
	return r, nil
}

// A reportError is for a descriptor to which nothing can be written. The payload is not
// executed then: who has asked for its PID could do nothing about it.
type reportError struct{ err error }

func (e *reportError) Error() string { return "Write to info_fd: " + reason(e.err) }

func (e *reportError) Unwrap() error { return e.err }

// start reports the process and its namespaces.
func (r *report) start(pid int, list []plan.Namespace) error {
	members := []string{fmt.Sprintf("\"child-pid\": %d", pid)}
	for _, name := range r.created {
		for _, ns := range list {
			if ns.Name == name {
				members = append(members, fmt.Sprintf("\"%s-namespace\": %d", name, ns.ID))
			}
		}
	}
	if r.info != nil {
		if _, err := fmt.Fprintf(r.info, "{\n    %s\n}\n", strings.Join(members, ",\n    ")); err != nil {
			return &reportError{err}
		}
		r.info.Close()
		r.info = nil
	}
	if r.status != nil {
		if _, err := fmt.Fprintf(r.status, "{ %s }\n", strings.Join(members, ", ")); err != nil {
			return &reportError{err}
		}
	}
	r.ready = true
	return nil
}

// end reports the exit status.
func (r *report) end(code int) {
	if r.status != nil && r.ready {
		fmt.Fprintf(r.status, "{ \"exit-code\": %d }\n", code)
	}
}
