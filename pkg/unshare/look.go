package unshare

import (
	"errors"
	"fmt"
	"strings"

	"hk/pkg/host"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// fileName is the name of a namespace's file in /proc/PID/ns.
func fileName(flag uint64) string {
	if flag == unix.CLONE_NEWNS {
		return "mnt"
	}
	for _, n := range names {
		if n.flag == flag {
			return n.name
		}
	}
	return ""
}

// look is the step that rejects anything that is not a namespace of the requested type,
// does not belong to the requested process, or would not isolate anything.
//
// pid is 0 for a path; otherwise the process is identified by target, a result, or by
// given, a descriptor of the caller.
func look(stage string, pid int, target *plan.Result, given int, list []member) plan.Step {
	fds := make([]string, len(list))
	for i, m := range list {
		fds[i] = m.fd.String()
	}
	text := fmt.Sprintf("check that %s is neither the caller's namespace nor the initial one", fds[0])
	if len(list) > 1 {
		text = fmt.Sprintf("check that %s are neither the caller's namespaces nor the initial ones", strings.Join(fds, ", "))
	}
	switch {
	case target != nil:
		text += fmt.Sprintf(", and %v still process %d", target, pid)
	case pid != 0:
		text += fmt.Sprintf(", and descriptor %d still process %d", given, pid)
	}
	step := plan.Step{Stage: stage, Text: text}
	for _, m := range list {
		step.Takes = append(step.Takes, m.fd, m.own)
	}
	if target != nil {
		step.Takes = append(step.Takes, target)
	}
	step.Do = func(at plan.Context) error {
		for _, m := range list {
			if err := m.isolates(at); err != nil {
				return err
			}
		}
		if pid == 0 {
			return nil
		}
		fd := given
		if target != nil {
			fd = at.FD(target)
		}
		return still(fd, pid)
	}
	return step
}

// still rejects a PID that is not, or no longer, that of the process that fd refers to.
// A PID can be reused only after its process has been waited for; until then /proc/PID
// belongs to that process too.
func still(fd, pid int) error {
	info, err := host.ReadProc(fmt.Sprintf("/proc/self/fdinfo/%d", fd))
	if err != nil {
		return err
	}
	got, err := pidIn(info)
	if err == nil && got != pid {
		err = errors.New("/proc belongs to another PID namespace")
	}
	return err
}

// isolates rejects a file that is not a namespace of this type, and a namespace that is
// the caller's own or the initial one.
func (m member) isolates(at plan.Context) error {
	fd := at.FD(m.fd)
	var fs unix.Statfs_t
	var it, own unix.Stat_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return fmt.Errorf("fstatfs: %w", err)
	}
	if fs.Type != unix.NSFS_MAGIC {
		return errors.New("it is not a namespace: a namespace is a file in /proc/PID/ns, or one that is bind mounted from there, as by ip-netns(8)")
	}
	kind, err := unix.IoctlRetInt(fd, unix.NS_GET_NSTYPE)
	if err != nil {
		return fmt.Errorf("NS_GET_NSTYPE: %w", err)
	}
	if uint64(kind) != m.flag {
		return fmt.Errorf("it is a namespace of another type: %s", fileName(uint64(kind)))
	}
	if err := unix.Fstat(fd, &it); err != nil {
		return fmt.Errorf("fstat: %w", err)
	}
	if err := unix.Fstat(at.FD(m.own), &own); err != nil {
		return fmt.Errorf("fstat: %w", err)
	}
	switch {
	case it.Dev == own.Dev && it.Ino == own.Ino:
		return fmt.Errorf("that %s namespace is the caller's own: joining it would isolate nothing", m.name)
	case it.Ino == host.InitialInode(m.flag) || m.ofFirst(it):
		return fmt.Errorf("that %s namespace is the initial one: joining it would isolate nothing", m.name)
	}
	return nil
}

// ofFirst reports whether a namespace is that of the initial PID 1, as far as the
// caller may inspect that process. PID 1 of another PID namespace does not count.
func (m member) ofFirst(it unix.Stat_t) bool {
	var pids, first unix.Stat_t
	return unix.Stat("/proc/1/ns/pid", &pids) == nil && pids.Ino == host.InitialInode(unix.CLONE_NEWPID) &&
		unix.Stat("/proc/1/ns/"+m.name, &first) == nil && first.Dev == it.Dev && first.Ino == it.Ino
}
