// Package nofile records the limit on open files with which this program was started:
// package syscall raises the soft limit when it is initialized. This package is
// initialized before that: it imports nothing, and of the packages that depend on no
// other, the first by path is initialized first. In a module whose path sorts after
// "syscall" the limit is not known.
package nofile

// started is struct rlimit64: the soft and the hard limit.
var started = read()

func read() (l [2]uint64) {
	if getrlimit(&l) != 0 {
		return [2]uint64{}
	}
	return l
}

// getrlimit is prlimit64(2) of RLIMIT_NOFILE. It returns 0 or -errno.
//
//go:noescape
func getrlimit(l *[2]uint64) int

// Raised returns the limit with which the program was started, if package syscall has
// raised it and it is still soft and hard, as package syscall has set them. A limit
// that the program has set itself is kept.
func Raised(soft, hard uint64) (before uint64, ok bool) {
	return started[0], hard > 0 && hard == started[1] && soft == hard-1 && started[0] < soft
}
