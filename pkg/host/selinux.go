package host

import (
	"errors"
	"fmt"
	"strings"

	"hk/pkg/cause"

	"golang.org/x/sys/unix"
)

// ErrNoSELinux is why there is no label: matches with errors.Is.
var ErrNoSELinux = errors.New("SELinux is not enabled, or its file system is not mounted on /sys/fs/selinux")

// CheckLabel returns why an SELinux label cannot be given, or nil: it is not a label, SELinux
// is missing (ErrNoSELinux), or the loaded policy does not have it. Whether the policy lets this
// process use it is not known before.
func (h *Host) CheckLabel(label string) error {
	switch {
	case label == "" || strings.ContainsAny(label, "\n\x00"):
		return errors.New("not a label")
	case h.SELinux == nil:
		return cause.Because(cause.SELinuxOff, ErrNoSELinux)
	}
	return h.SELinux(label)
}

// selinux returns why a label cannot be given, or nil: ErrNoSELinux, or what the kernel says of
// a label that the loaded policy does not have. The attributes of a process in procfs are also
// those of other security modules, so they do not tell.
func selinux(label string) error {
	var st unix.Statfs_t
	if unix.Statfs("/sys/fs/selinux", &st) != nil || st.Type != unix.SELINUX_MAGIC {
		return cause.Because(cause.SELinuxOff, ErrNoSELinux)
	}
	fd, err := unix.Open("/sys/fs/selinux/context", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("/sys/fs/selinux/context: %w", err)
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, []byte(label)); err != nil {
		return fmt.Errorf("not a label of the loaded policy: %w", err)
	}
	return nil
}
