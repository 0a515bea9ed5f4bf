package access

import (
	"errors"
	"sync/atomic"
	"time"
)

// patience is how long a file system may take to answer.
const patience = 10 * time.Second

var errStuck = errors.New("a file system does not answer")

// Patiently has something done that a file system may never answer to, as that of a FUSE
// server which is traced too, and stopped. It returns false if that takes more than ten
// seconds; do then continues, and nothing that it sets may be used.
func Patiently(do func()) bool {
	done := make(chan struct{})
	go func() {
		do()
		close(done)
	}()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-done:
		return true
	case <-late.C:
		return false
	}
}

// aside is the mount of what is looked at by its descriptor alone.
const aside = 0

// try is Patiently for a file system: that of the mount in at, which do may change. It is not
// asked again once it has not answered.
func (t *tree) try(at *atomic.Uint64, do func()) error {
	if t.dead[at.Load()] {
		return errStuck
	}
	if Patiently(do) {
		return nil
	}
	t.giveUp(at.Load())
	return errStuck
}

// inMount is a mount for try.
func inMount(id uint64) *atomic.Uint64 {
	at := new(atomic.Uint64)
	at.Store(id)
	return at
}
