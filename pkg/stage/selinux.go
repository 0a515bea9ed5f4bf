package stage

import (
	"hk/pkg/cause"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// OpenAttr opens an attribute of the calling thread for security modules, such as "exec", by
// way of a procfs: see proc_pid_attr(5). The kernel lets the process write to it that has
// opened it, as long as it executes no other program.
func (s *State) OpenAttr(proc *plan.Result, name string) *plan.Result {
	return s.Open("attr", plan.Openat2(plan.Ref(proc), "thread-self/attr/"+name, unix.O_WRONLY|unix.O_CLOEXEC, 0,
		unix.RESOLVE_NO_XDEV|unix.RESOLVE_NO_MAGICLINKS).
		Because(unix.EXDEV, cause.ProcCovered, "something is mounted over a part of /proc, as a container does").
		Because(unix.ENOENT, cause.NoProcfs, "/proc does not show this process"))
}

// SetAttr writes a label to an attribute. "\n" removes it.
func (s *State) SetAttr(attr *plan.Result, label string) {
	s.Add(plan.Write(attr, []byte(label)).
		Because(unix.EACCES, cause.SecurityModule, "the SELinux policy does not let this process choose a label").
		Because(unix.EPERM, cause.SecurityModule, "the SELinux policy does not let this process choose a label").
		Hint(unix.EINVAL, "it is not a label of the loaded policy"))
}
