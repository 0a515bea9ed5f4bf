package access

import (
	"hk/pkg/ptrace"

	"golang.org/x/sys/unix"
)

// A filter of seccomp(2) can have a call return without an effect, as if it had succeeded or
// failed. So what a payload with filters of its own does is recorded only where it can be
// seen, and a descriptor that was open before is not taken for one that was opened.

// restricts notes that the payload loads a filter.
func (r *Recorder) restricts(name string, c ptrace.Call) {
	switch {
	case name == "prctl" && c.Args[0] == unix.PR_SET_SECCOMP && c.Args[1] == unix.SECCOMP_MODE_FILTER:
		r.filtered = true
	case name == "seccomp" && c.Args[0] == unix.SECCOMP_SET_MODE_FILTER:
		r.filtered = true
		r.answered = r.answered || c.Args[1]&unix.SECCOMP_FILTER_FLAG_NEW_LISTENER != 0
	}
}

// believed reports whether a call that leaves no trace, as one that has failed, was made with
// the arguments that were read: other threads could have changed them, and filters its result.
func (r *Recorder) believed(c call, name string) bool {
	why := ""
	switch threads := ids(c.tid, "Threads"); {
	case r.filtered:
		why = "the payload has loaded a filter"
	case len(threads) != 1 || threads[0] != "1":
		why = "the process has several threads"
	default:
		return true
	}
	r.refused = noted(r.refused, "what "+c.name+"(2) was given cannot be seen for sure, as "+why+": "+name)
	return false
}
