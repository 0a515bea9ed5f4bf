package host

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// terminal is the name of the first standard descriptor that is a terminal.
func terminal() string {
	for n, fd := range []string{"0", "1", "2"} {
		if _, err := unix.IoctlGetTermios(n, unix.TCGETS); err != nil {
			continue
		}
		name, err := os.Readlink("/proc/self/fd/" + fd)
		if err != nil || !strings.HasPrefix(name, "/dev/") {
			continue
		}
		var a, b unix.Stat_t
		// The name may belong to another mount namespace.
		if unix.Fstat(n, &a) == nil && unix.Stat(name, &b) == nil && a.Rdev == b.Rdev && a.Ino == b.Ino && a.Dev == b.Dev {
			return name
		}
	}
	return ""
}
