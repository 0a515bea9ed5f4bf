package host

import (
	"math"
	"strings"

	"golang.org/x/sys/unix"
)

// Probes make a call that the kernel rejects because of its arguments, if it knows the
// call at all.

// known returns an error only if the kernel does not know the call.
func known(err error) error {
	if err == unix.ENOSYS {
		return err
	}
	return nil
}

// flagKnown decides by the errno: yes means that the kernel knows a flag, and no
// means that it does not.
func flagKnown(err error, yes, no unix.Errno) error {
	switch err {
	case nil, yes:
		return nil
	case no:
		return NotSupported(no)
	}
	return err
}

func probeNamespace(_ Feature, name string) error {
	if err := procfs(); err != nil {
		return err
	}
	kind, _, _ := strings.Cut(name, " ")
	var st unix.Stat_t
	return flagKnown(unix.Lstat("/proc/self/ns/"+kind, &st), 0, unix.ENOENT)
}

func probeClone3(Feature, string) error {
	_, _, e := unix.Syscall(unix.SYS_CLONE3, 0, 0, 0) // too small a struct: EINVAL
	return known(e)
}

func probePidfdOpen(Feature, string) error {
	_, err := unix.PidfdOpen(-1, 0)
	return known(err)
}

func probePidfdSendSignal(Feature, string) error {
	return known(unix.PidfdSendSignal(-1, 0, nil, 0))
}

func probePidfdSignalGroup(Feature, string) error {
	const processGroup = 1 << 2
	return flagKnown(unix.PidfdSendSignal(-1, 0, nil, processGroup), unix.EBADF, unix.EINVAL)
}

// There is no such descriptor, so none is closed.
const noDescriptor = math.MaxUint32

func probeCloseRange(Feature, string) error {
	return known(unix.CloseRange(noDescriptor, noDescriptor, 0))
}

func probeCloseRangeCloexec(Feature, string) error {
	return flagKnown(unix.CloseRange(noDescriptor, noDescriptor, unix.CLOSE_RANGE_CLOEXEC), 0, unix.EINVAL)
}

func probeOpenat2(Feature, string) error {
	_, err := unix.Openat2(-1, "", &unix.OpenHow{})
	return known(err)
}

func probeFaccessat2(Feature, string) error {
	return known(unix.Faccessat2(-1, "", 0, 0))
}

// probeMemfdExec creates a file and closes it: the kernel checks the flags first, but
// the sysctl vm.memfd_noexec can forbid this one.
func probeMemfdExec(Feature, string) error {
	fd, err := unix.MemfdCreate("", unix.MFD_CLOEXEC|unix.MFD_EXEC)
	if err == nil {
		unix.Close(fd)
	}
	return flagKnown(err, unix.EACCES, unix.EINVAL)
}

func probeMountCalls(Feature, string) error {
	_, err := unix.OpenTree(-1, "", 0)
	if known(err) == nil {
		err = unix.MoveMount(-1, "", -1, "", 0)
	}
	if known(err) == nil {
		_, err = unix.Fsopen("", -1) // without a name, because that could load a module
	}
	if known(err) == nil {
		err = unix.FsconfigCreate(-1)
	}
	if known(err) == nil {
		_, err = unix.Fsmount(-1, 0, 0)
	}
	return known(err)
}

func probeMountSetattr(Feature, string) error {
	return known(unix.MountSetattr(-1, "", 0, &unix.MountAttr{}))
}

// probeMountNoSymfollow needs CAP_SYS_ADMIN: without it the kernel returns EPERM first.
func probeMountNoSymfollow(Feature, string) error {
	err := unix.MountSetattr(-1, "", 0, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSYMFOLLOW})
	return flagKnown(err, unix.ENOENT, unix.EINVAL)
}

// probeSeccompFilter loads no filter.
func probeSeccompFilter(Feature, string) error {
	return flagKnown(unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, 0, 0, 0), unix.EFAULT, unix.EINVAL)
}

func probeKeyrings(Feature, string) error {
	_, err := unix.KeyctlInt(-1, 0, 0, 0, 0)
	if err == unix.EOPNOTSUPP {
		return nil // an invalid operation
	}
	return known(err)
}

func probeLandlock(f Feature, _ string) error {
	abi, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	switch {
	case e != 0:
		return e // ENOSYS, or EOPNOTSUPP where it is disabled
	case int(abi) < int(f-LandlockABI1)+1:
		return ErrNotSupported
	}
	return nil
}

func probeLandlockErrata(Feature, string) error {
	_, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_ERRATA)
	if e == unix.EINVAL {
		return NotSupported(e)
	}
	if e != 0 {
		return e
	}
	return nil
}
