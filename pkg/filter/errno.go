package filter

import (
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

func errnoText(e unix.Errno) string {
	if name := unix.ErrnoName(e); name != "" {
		return name
	}
	return strconv.Itoa(int(e))
}

// maxErrno is the highest errno that the kernel returns: MAX_ERRNO.
const maxErrno = 4095

// parseErrno parses an errno: a name or a number, of which 0 is success.
func parseErrno(text string) (unix.Errno, error) {
	if e := errnoNumber(text); e != 0 {
		return e, nil
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n > maxErrno {
		return 0, fmt.Errorf("%q is not an errno: a name, or 0 to %d", text, maxErrno)
	}
	return unix.Errno(n), nil
}

func errnoNumber(name string) unix.Errno {
	switch name { // x/sys has one of two names; some numbers have none
	case "":
		return 0
	case "EWOULDBLOCK":
		return unix.EWOULDBLOCK
	case "EDEADLOCK":
		return unix.EDEADLOCK
	case "EOPNOTSUPP":
		return unix.EOPNOTSUPP
	}
	for e := unix.Errno(1); e < 200; e++ {
		if unix.ErrnoName(e) == name {
			return e
		}
	}
	return 0
}
