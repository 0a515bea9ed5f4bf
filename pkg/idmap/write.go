package idmap

import (
	"errors"
	"fmt"
	"strconv"
	"unsafe"

	"hk/pkg/cause"
	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// ordinary adds what a process without capabilities outside does.
func ordinary(s *stage.State, uid, gid direction, setgroups string) error {
	proc, err := s.Proc()
	if err != nil {
		return err
	}
	const hint = "mapping user ID 0 of the parent namespace needs CAP_SETFCAP; in a chain that is not fused, no other program may come between hk-unshare and hk-idmap; AppArmor may deny capabilities in user namespaces: kernel.apparmor_restrict_unprivileged_userns"
	if err := write(s, proc, "self/", hint, uid, gid, setgroups, 0); err != nil {
		return err
	}
	s.Add(plan.Close(proc))
	return nil
}

// planOther maps the namespace of another process. The process's directory in procfs is
// opened once, so all writes are for the same process.
func (m *Maps) planOther(s *stage.State, uid, gid direction) error {
	if s.Plan.Cloned() || s.Unmapped() {
		return errors.New("--pid maps a namespace from outside: it must come before hk-unshare")
	}
	switch text, err := s.Host.UIDMap(m.PID); {
	case errors.Is(err, unix.ENOENT):
		return fmt.Errorf("--pid: there is no process %d", m.PID)
	case err != nil:
		return fmt.Errorf("--pid: %w", err)
	case text != "":
		return fmt.Errorf("--pid: the user namespace of process %d already has its ID maps", m.PID)
	}
	both := caps(uid.cap, gid.cap)
	privileged := s.Cred.Effective&both == both
	setgroups, err := m.setgroups(uid.single() && gid.single(), privileged, gid)
	if err != nil {
		return err
	}
	proc, err := s.Proc()
	if err != nil {
		return err
	}
	dir := s.Open("process", plan.Openat2(plan.Ref(proc), strconv.Itoa(m.PID),
		unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0, unix.RESOLVE_NO_XDEV|unix.RESOLVE_NO_SYMLINKS))
	s.Add(plan.Close(proc))
	ownedByCaller(s, dir, m.PID)
	pid := m.PID
	if privileged {
		pid = -1
	}
	const hint = "the caller must have created the namespace, and it must be a child of the caller's own"
	if err := write(s, dir, "", hint, uid, gid, setgroups, pid); err != nil {
		return err
	}
	s.Add(plan.Close(dir))
	return nil
}

// ownedByCaller adds the step that refuses a user namespace created by another user,
// who could use root's maps. For other callers the kernel refuses it.
func ownedByCaller(s *stage.State, dir *plan.Result, pid int) {
	ns := s.Open("userns", plan.Openat(plan.Ref(dir), "ns/user", unix.O_CLOEXEC, 0).
		Hint(unix.EACCES, "the caller may not inspect this process: see ptrace(2)"))
	caller := s.Host.UID
	s.Plan.AddStep(plan.Step{
		Stage: s.Name,
		Text:  fmt.Sprintf("check that %v was created by user %d", ns, caller),
		Takes: []*plan.Result{ns},
		Do: func(at plan.Context) error {
			var owner uint32
			_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(at.FD(ns)), unix.NS_GET_OWNER_UID, uintptr(unsafe.Pointer(&owner)))
			switch {
			case e != 0:
				return fmt.Errorf("NS_GET_OWNER_UID of the user namespace of process %d: %w", pid, e)
			case owner != caller:
				return fmt.Errorf("the user namespace of process %d is user %d's, who could use the mapped IDs", pid, owner)
			}
			return nil
		},
	})
	s.Add(plan.Close(ns))
}

// write adds the writes to the files in dir, a directory of procfs. The order matters:
// setgroups can be denied only before there is a group map.
//
// What the kernel accepts only from a process with capabilities is written by newuidmap
// and newgidmap: for process pid, or for the plan's child if pid is 0. -1 means that
// the caller has the capabilities.
func write(s *stage.State, dir *plan.Result, prefix, hint string, uid, gid direction, setgroups string, pid int) error {
	for _, d := range []direction{uid, gid} {
		if d.name == "gid" && setgroups == "deny" {
			s.ProcWrite(dir, prefix+"setgroups", "deny", "")
		}
		if pid < 0 || d.single() {
			s.ProcWrite(dir, prefix+d.name+"_map", d.ids.String(), hint)
			continue
		}
		path := s.Host.Helper(d.helper)
		step, err := helper(s.Name, path, d, pid)
		if err == nil {
			err = gains(s, path)
		}
		if err != nil {
			return fmt.Errorf("--%s: %w", d.name, err)
		}
		s.Plan.AddStep(step)
	}
	return nil
}

// gains rejects a helper that would run without the privileges that it needs.
func gains(s *stage.State, path string) error {
	switch {
	case s.CallerNoNewPrivs != "":
		return cause.Because(cause.NoNewPrivs, fmt.Errorf("%s gets no privileges, because %s has set no_new_privs before: it must come after hk-idmap", path, s.CallerNoNewPrivs))
	case s.Host.NoNewPrivs:
		return cause.Because(cause.NoNewPrivs, fmt.Errorf("%s gets no privileges, because no_new_privs is set: by an earlier hk-setuser or hk-landlock, by systemd's NoNewPrivileges=, or by a surrounding container", path))
	}
	if err := s.Host.GainsPrivileges(path); err != nil {
		return fmt.Errorf("%s gets no privileges: %w", path, err)
	}
	return nil
}
