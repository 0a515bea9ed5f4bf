package host

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"hk/pkg/cause"
	"hk/pkg/ids"

	"golang.org/x/sys/unix"
)

// Blocker returns what prevents this process from doing something, if that is why a call,
// as printed by strace, has failed, and its name; otherwise "". stage is the stage that made
// the call. It is found out by reading and by trying, in processes that end at once, and not
// guessed from the error: a sentence about what cannot be seen says so. continues is set for
// a program that continues to run: nothing is tried then if it has privileges.
func Blocker(stage, call string, errno unix.Errno, continues bool) (string, cause.Name) {
	tries := !continues || ordinary()
	name, args, _ := strings.Cut(call, "(")
	creates := name == "clone3" || name == "unshare"
	user := strings.Contains(args, "CLONE_NEWUSER")
	switch {
	case creates && errno == unix.ENOSPC:
		return spentLimit(args)
	case Refusing(name, args, errno):
		return RefusedBy(name)
	case creates && user && (errno == unix.EPERM || errno == unix.EACCES):
		return noUserNS()
	case errno != unix.EPERM && errno != unix.EACCES || creates:
		return "", ""
	case name == "write" && stage == "hk-idmap" && lacksSetfcap():
		return "this process is user 0 without CAP_SETFCAP, which is needed since Linux 5.12 to map ID 0 of its user namespace: map other IDs, with hk-idmap --uid and --gid, or as another user", cause.Capability
	case !tries:
	case name == "write" && stage == "hk-idmap", name == "sethostname", name == "setdomainname":
		return noCapabilities()
	case mounting(name):
		if text, why := noCapabilities(); text != "" {
			return text, why
		}
		return noMounts()
	}
	return "", ""
}

// Elaborate adds to the hint of a cause what can be seen of it on this machine, or is the
// hint.
func Elaborate(name cause.Name, hint string) string {
	if name == cause.ProcCovered {
		if text := uncovered(); text != "" {
			return hint + " (" + text + ")"
		}
	}
	return hint
}

// mounting reports whether a call is one of those that need CAP_SYS_ADMIN over a mount
// namespace.
func mounting(name string) bool {
	switch name {
	case "mount", "mount_setattr", "open_tree", "move_mount", "fsopen", "fsmount", "fspick", "fsconfig", "pivot_root", "umount2":
		return true
	}
	return false
}

// noUserNS is why this process cannot create a user namespace, or "".
func noUserNS() (string, cause.Name) {
	switch {
	case unmapped():
		return "the user or group ID of this process is not mapped in its user namespace: hk-idmap must come first", cause.Unmapped
	case Chrooted():
		return "this process is in a chroot(2), in which no user namespace can be created: its root must be that of its mount namespace, as hk-mount makes it", cause.Chroot
	}
	return policy(readFile)
}

// policy is which policy of the machine denies user namespaces to an ordinary user, by the files
// that tell of them, or "".
func policy(read func(path string) string) (string, cause.Name) {
	is := func(path, value string) bool { return strings.TrimSpace(read(path)) == value }
	switch {
	case is("/proc/sys/kernel/unprivileged_userns_clone", "0"):
		return "the sysctl kernel.unprivileged_userns_clone is 0: only root may create user namespaces", cause.UsernsSysctl
	case is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"):
		return appArmor, cause.UsernsAppArmor
	case is("/sys/fs/selinux/enforce", "1"):
		return "SELinux is enforcing, and nothing else was found that denies user namespaces: the log of audit names the rule, user_namespace create", cause.UsernsSELinux
	}
	return "", ""
}

const appArmor = "AppArmor restricts user namespaces: the sysctl kernel.apparmor_restrict_unprivileged_userns is 1, and no profile permits them to this program; hk-unshare(1), ERRORS, has one"

// spentLimit names the limit on namespaces of the types in a text that is 0, or else what
// else may be the reason: the kernel does not tell these apart.
func spentLimit(types string) (string, cause.Name) {
	for _, ns := range []string{"user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"} {
		flag := "CLONE_NEW" + strings.ToUpper(ns)
		if ns == "mnt" {
			flag = "CLONE_NEWNS"
		}
		if strings.Contains(types, flag) && sysctl("user/max_"+ns+"_namespaces") == "0" {
			return fmt.Sprintf("the sysctl user.max_%s_namespaces is 0 here", ns), cause.NamespaceLimit
		}
	}
	var st unix.Stat_t
	outermost := unix.Stat("/proc/self/ns/user", &st) == nil && st.Ino == InitialInode(unix.CLONE_NEWUSER)
	switch nests := strings.Contains(types, "CLONE_NEWUSER") || strings.Contains(types, "CLONE_NEWPID"); {
	case outermost || !nests:
		return "a limit in /proc/sys/user/max_*_namespaces is reached, here or in a user namespace around this one", cause.NamespaceLimit
	default:
		return "either user or PID namespaces are nested 32 deep, or a limit in /proc/sys/user/max_*_namespaces is reached, here or in a user namespace around this one: the kernel does not tell which", cause.NamespaceLimit
	}
}

// sysctl is the value of a sysctl, or "".
func sysctl(name string) string {
	text, err := ReadProc("/proc/sys/" + name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(text)
}

// readFile is the content of a file of the kernel, or "".
func readFile(path string) string {
	text, err := ReadProc(path)
	if err != nil {
		return ""
	}
	return text
}

// unmapped reports whether an ID of this process has no number in its user namespace.
func unmapped() bool {
	for _, id := range []struct {
		file string
		n    int
	}{{"uid_map", os.Geteuid()}, {"gid_map", os.Getegid()}} {
		text, err := ReadProc("/proc/self/" + id.file)
		if err != nil {
			continue
		}
		mapped := false
		for _, e := range ids.ParseMap(text) {
			mapped = mapped || (ids.Range{First: e.Inside, Count: e.Count}).Contains(uint32(id.n))
		}
		if !mapped {
			return true
		}
	}
	return false
}

// Chrooted reports whether the root is certain not to be that of the mount namespace: it is
// no mount, or another one than that of PID 1 in the same namespace.
func Chrooted() bool {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, "/", 0, 0, &st); err == nil &&
		st.Attributes_mask&unix.STATX_ATTR_MOUNT_ROOT != 0 && st.Attributes&unix.STATX_ATTR_MOUNT_ROOT == 0 {
		return true
	}
	same, err := sharesNamespace(1, "mnt")
	if err != nil || !same {
		return false
	}
	var own, first unix.Stat_t
	return unix.Stat("/", &own) == nil && unix.Stat("/proc/1/root/", &first) == nil && (own.Dev != first.Dev || own.Ino != first.Ino)
}

// lacksSetfcap reports whether this process is user 0 without CAP_SETFCAP.
func lacksSetfcap() bool {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return os.Geteuid() == 0 && unix.Capget(&head, &data[0]) == nil && data[0].Effective>>unix.CAP_SETFCAP&1 == 0
}

// noCapabilities is why a process has no capabilities in a new user namespace, or "".
func noCapabilities() (string, cause.Name) {
	if filtered("chroot") || tryUserNS() != nil {
		return "", ""
	}
	err := tryInUserNS(&syscall.SysProcAttr{Chroot: "/"})
	switch {
	case err == nil:
		return "", ""
	case sysctl("kernel/apparmor_restrict_unprivileged_userns") == "1":
		return appArmor, cause.UsernsAppArmor
	}
	return "a security module denies capabilities in new user namespaces", cause.SecurityModule
}

// noMounts is why nothing can be mounted in a new mount namespace, or "".
func noMounts() (string, cause.Name) {
	if filtered("unshare") || tryUserNS() != nil {
		return "", ""
	}
	err := tryInUserNS(&syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}) // and mount(2) of MS_PRIVATE
	switch {
	case err == nil:
		return "", ""
	case filtered("mount"):
		return "a seccomp filter around this process denies mount(2)", cause.MountSeccomp
	case Landlock(1).Check() == nil:
		return "a Landlock domain around this process, or another security module, forbids mounts", cause.MountLandlock
	}
	return "a security module forbids mounts", cause.SecurityModule
}

// tryInUserNS is tryUserNS with more to do in the new user namespace. It returns an error
// only if that is not permitted.
func tryInUserNS(what *syscall.SysProcAttr) error {
	what.Cloneflags = syscall.CLONE_NEWUSER
	if err := forkNothing(what); errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return err
	}
	return nil
}
