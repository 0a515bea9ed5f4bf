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

// A doubt is rights on something that were used if a call was made with the arguments that were
// read, and what to note about that unless they were also used otherwise.
type doubt struct {
	name   string
	rights uint64
	text   string
}

// believed reports whether a call that leaves no trace, as one that has failed, was made with
// the arguments that were read: other threads could have changed them, and filters its result.
// If not, that is noted for the rights that it would have used on something.
func (r *Recorder) believed(c call, name string, on object, rights uint64) bool {
	why := ""
	switch threads := ids(c.tid, "Threads"); {
	case r.filtered:
		why = "the payload has loaded a filter"
	case len(threads) != 1 || threads[0] != "1":
		why = "the process has several threads"
	default:
		return true
	}
	text := "what " + c.name + "(2) was given cannot be seen for sure, as " + why + ": " + name
	at := on.name
	if dir, ok := r.lasting(at); ok {
		at = dir.name
	}
	if len(r.doubts) < maxPaths && r.room(at+text) {
		r.doubts = append(r.doubts, doubt{at, rights, text})
	} else {
		r.refused = noted(r.refused, text)
	}
	return false
}

// settle notes the doubts that remain.
func (r *Recorder) settle() {
	for _, d := range r.doubts {
		if d.rights == 0 || r.used(d.name)&d.rights != d.rights {
			r.refused = noted(r.refused, d.text)
		}
	}
	r.doubts = nil
}
