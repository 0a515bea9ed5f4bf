package why

import (
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"hk/pkg/plan"
	"hk/pkg/run"

	"golang.org/x/sys/unix"
)

// A joiner makes calls with the file system IDs, groups and capabilities of a thread in the
// user namespace of that: each in a process that joins the namespace and then ends. Whoever
// has made a user namespace may, which an ordinary user has for a chain, and so have IDs
// there that are not the user's, and capabilities over files that have them.
//
// The process is outside all that confines the payload, so nothing in that user namespace may
// trace it. It is a copy of the supervisor that never executes anything: tracing it takes
// CAP_SYS_PTRACE where the supervisor was executed, as long as it is not dumpable. Its real
// IDs remain the caller's.
type joiner struct {
	ns        int // the user namespace
	fs, group uint32
	groups    []uint32 // nil for those of the caller
	caps      uint64
	// failed is set if a process could not do what it was for.
	failed bool
	// waiting is called while such a process waits, with its number, or is nil; for tests.
	waiting func(pid int)
}

// joins is the joiner for a thread that is stopped, or nil if there can be none.
func (id identity) joins(own identity) *joiner {
	// A change of IDs makes a process dumpable if that is 1.
	if b, err := os.ReadFile("/proc/sys/fs/suid_dumpable"); err != nil || strings.TrimSpace(string(b)) == "1" {
		return nil
	}
	uids, gids := readMap(id.proc+"/uid_map"), readMap(id.proc+"/gid_map")
	j := &joiner{caps: id.caps}
	var ok, ok2 bool
	j.fs, ok = uids.Inside(id.fs)
	j.group, ok2 = gids.Inside(id.group)
	if !ok || !ok2 {
		return nil
	}
	if !slices.Equal(id.groups, own.groups) {
		j.groups = []uint32{}
		for _, g := range id.groups {
			inside, ok := gids.Inside(g)
			if !ok {
				return nil
			}
			j.groups = append(j.groups, inside)
		}
	}
	var err error
	if j.ns, err = unix.Open(id.proc+"/ns/user", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return nil
	}
	return j
}

func (j *joiner) close() { unix.Close(j.ns) }

const joinerStage = "hk-why"

// do has a process make a call, and then give a descriptor to do, unless that is nil.
func (j *joiner) do(op *plan.Op, do func(fd int) error) error {
	const nowhere = "/nonexistent/hk"
	p := plan.New()
	p.Clone(joinerStage, 0, true)
	add := func(ops ...*plan.Op) { p.Add(joinerStage, ops...) }
	add(plan.Dumpable(false), plan.SetnsFD(j.ns, unix.CLONE_NEWUSER))
	if j.groups != nil {
		add(plan.Setgroups(j.groups))
	}
	add(plan.Setfsgid(j.group), plan.HasFsgid(j.group), plan.Setfsuid(j.fs), plan.HasFsuid(j.fs),
		plan.Capset(j.caps, j.caps, 0), plan.Dumpable(false), plan.ParentDeathSignal(unix.SIGKILL))
	if do == nil {
		add(op)
	} else {
		fd := p.Open(joinerStage, "fd", op)
		p.AddStep(plan.Step{Stage: joinerStage, Takes: []*plan.Result{fd}, Do: func(at plan.Context) error {
			if j.waiting != nil {
				j.waiting(at.PID())
			}
			return do(at.FD(fd))
		}})
	}
	add(plan.Chdir(nowhere)) // which fails
	late, err := lateness(patience + time.Second)
	if err != nil {
		j.failed = true
		return err
	}
	defer unix.Close(late.FD)
	c, err := run.Start(p, run.Attr{Interrupt: late})
	if err == nil {
		err = c.Setup()
		c.Close()
	}
	var e *plan.Error
	switch {
	case !errors.As(err, &e):
	case e.Call == "chdir" && e.Errno == unix.ENOENT:
		return nil
	case e.Call == op.Name && e.Errno != unix.EMFILE && e.Errno != unix.ENFILE && e.Errno != unix.ENOMEM:
		return e.Errno
	}
	j.failed = true
	return unix.EIO
}

var errLate = errors.New("a process that has joined a user namespace did not end in time")

// lateness abandons what takes longer than patiently waits for: otherwise the process would be
// waited for with those of the payload.
func lateness(d time.Duration) (*run.Interrupt, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	end := time.Now().Add(d)
	if err := unix.TimerfdSettime(fd, 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}, nil); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &run.Interrupt{FD: fd, Err: func() error {
		if time.Now().Before(end) {
			return nil
		}
		return errLate
	}}, nil
}

// open opens a path with O_PATH.
func (j *joiner) open(dir int, p string, how unix.OpenHow) (fd int, err error) {
	fd = -1
	err = j.do(plan.Openat2(plan.Int(int64(dir)), p, how.Flags, 0, how.Resolve), func(from int) (err error) {
		fd, err = unix.FcntlInt(uintptr(from), unix.F_DUPFD_CLOEXEC, 3)
		return err
	})
	if err != nil && fd >= 0 {
		unix.Close(fd)
		fd = -1
	}
	return fd, err
}

func (j *joiner) access(fd int, mode uint32) error {
	return j.do(plan.MayAccess(fd, mode), nil)
}
