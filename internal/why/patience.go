package why

import (
	"time"
)

// patience is how long a file system may take to answer.
const patience = 10 * time.Second

// patiently calls a function that looks at files, and returns what it returns, or false if
// it takes too long. A file system may never answer: that of a FUSE daemon which is followed
// too, and stopped. Then nothing that looks at files is called again.
func patiently[T any](f *follower, look func() T) (found T, ok bool) {
	if f.stuck {
		return found, false
	}
	done := make(chan T, 1)
	go func() { done <- look() }()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case found = <-done:
		return found, true
	case <-late.C:
		f.stuck = true
		f.notSeen("a file system does not answer: files are no longer looked at, and no flags are named")
		return found, false
	}
}
