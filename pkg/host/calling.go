package host

import (
	"fmt"
	"os"

	"hk/internal/nofile"

	"golang.org/x/sys/unix"
)

// Calling describes the machine and a program that continues to run, of which a child
// becomes the payload: with no signal blocked, and with the ignored signals and limits
// of the program. There is no handover from an earlier stage. Preconditions: no
// goroutine has changed the credentials of the calling thread.
func Calling() *Host {
	h := &Host{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid()), SelfFD: -1, Parent: os.Getppid()}
	h.files()
	h.kernel()
	h.namespaces()
	h.TTY = func() string { return "" } // the payload gets only descriptors
	var files unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &files) == nil {
		if soft, ok := nofile.Raised(files.Cur, files.Max); ok {
			h.Raised = []Rlimit{{Resource: unix.RLIMIT_NOFILE, Name: "RLIMIT_NOFILE", Soft: soft, Hard: files.Max}}
		}
	}
	h.Rlimit = h.rlimit
	h.SpareFD = func() int { return 0 }
	h.Env, _ = takeHandover(os.Environ())
	if dir, err := os.Getwd(); err == nil {
		h.Dir = dir
	}
	h.capabilities()
	groups, err := unix.Getgroups()
	if err != nil && h.Unread == nil {
		h.Unread = fmt.Errorf("getgroups: %w", err)
	}
	for _, g := range groups {
		h.Groups = append(h.Groups, uint32(g))
	}
	h.DropsGroups = len(groups) > 0 && h.Effective>>unix.CAP_SETGID&1 != 0 && !h.NoSetgroups()
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	h.Dumpable = err == nil && dumpable == 1
	h.Ordinary = h.UID != 0 && h.Permitted == 0 && hasOneUser()
	return h
}

// hasOneUser reports whether all user IDs of the program are the same, and all group IDs.
func hasOneUser() bool {
	user, effective, saved := unix.Getresuid()
	group, effectiveGroup, savedGroup := unix.Getresgid()
	return user == effective && user == saved && group == effectiveGroup && group == savedGroup
}
