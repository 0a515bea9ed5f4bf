package host

import (
	"errors"
	"os"

	"hk/pkg/cause"

	"golang.org/x/sys/unix"
)

// HelperDirs are the directories that are searched for the programs of supervisor
// steps, such as newuidmap(1). PATH is not searched, because the caller can set it.
var HelperDirs = []string{"/usr/bin", "/bin", "/usr/local/bin", "/run/wrappers/bin", "/run/current-system/sw/bin"}

// HelperEnv is the environment of such a program.
var HelperEnv = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}

func helper(name string) string {
	for _, dir := range HelperDirs {
		path := dir + "/" + name
		if fi, err := os.Stat(path); err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0 {
			return path
		}
	}
	return ""
}

// gainsPrivileges returns why a program that is executed gets no more privileges than its
// caller, as far as can be seen.
func gainsPrivileges(path string) error {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return err
	}
	setuid := st.Mode&unix.S_ISUID != 0
	n, err := unix.Getxattr(path, "security.capability", nil)
	capable := err == nil && n > 0
	switch {
	case setuid && st.Uid != 0 && !capable:
		return cause.Because(cause.NewuidmapPrivilege, errors.New("it does not belong to root, or root has no ID in this user namespace"))
	case !setuid && !capable && err != unix.EPERM && err != unix.EACCES:
		return cause.Because(cause.NewuidmapPrivilege, errors.New("it has neither the set-user-ID bit nor file capabilities: reinstall its package, or, as root, chmod u+s it"))
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err == nil && fs.Flags&unix.ST_NOSUID != 0 {
		return cause.Because(cause.NewuidmapNosuid, errors.New("it is on a file system that is mounted with nosuid"))
	}
	return nil
}
