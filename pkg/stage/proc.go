package stage

import (
	"hk/pkg/cause"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// OpenLateProc opens the caller's procfs for a later stage that needs it. It comes
// right after the clone.
func (s *State) OpenLateProc() (err error) {
	if s.Child.CallerProcs > 0 && s.callerProc == nil && s.Plan.Cloned() && !s.Plan.InJoiner() {
		s.callerProc, err = s.Proc()
	}
	return err
}

// CallerProc is the caller's procfs, which remains open, for a stage that needs it
// ([Needs]).
func (s *State) CallerProc() (*plan.Result, error) {
	if s.callerProc != nil {
		return s.callerProc, nil
	}
	return s.Proc()
}

// CloseCallerProc closes what CallerProc has returned to a stage that needs it no longer,
// unless a later one does.
func (s *State) CloseCallerProc(proc *plan.Result) {
	if s.Child.CallerProcs--; proc != s.callerProc || s.Child.CallerProcs <= 0 {
		s.Add(plan.Close(proc))
	}
}

// Proc returns a descriptor of the caller's procfs, or an error if what is mounted on
// /proc is not a procfs.
func (s *State) Proc() (*plan.Result, error) {
	if err := s.Host.Procfs(); err != nil {
		return nil, err
	}
	return s.Open("proc", plan.Openat2(plan.AtCwd(), "/proc",
		unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0, unix.RESOLVE_NO_SYMLINKS)), nil
}

// ProcWrite appends a write to a file of procfs, through a descriptor from
// [State.Proc]. If something else is mounted over the file, it is not written. eperm is
// the hint for a write that is not permitted.
func (s *State) ProcWrite(proc *plan.Result, path, text, eperm string) {
	open := plan.Openat2(plan.Ref(proc), path, unix.O_WRONLY|unix.O_CLOEXEC, 0,
		unix.RESOLVE_NO_XDEV|unix.RESOLVE_NO_MAGICLINKS)
	const covered = "something is mounted over a part of /proc, as a container does"
	f := s.Open("file", open.Because(unix.EXDEV, cause.ProcCovered, covered).Because(unix.EROFS, cause.ProcCovered, covered).
		Because(unix.EACCES, cause.SecurityModule, "a Landlock domain around this process, or another security module, forbids to write to /proc"))
	s.Add(plan.Write(f, []byte(text)).Hint(unix.EPERM, eperm), plan.Close(f))
}
