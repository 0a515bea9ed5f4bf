package why

import (
	"errors"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"hk/pkg/ids"
	"hk/pkg/ptrace"

	"golang.org/x/sys/unix"
)

// An identity is what decides about permissions: the IDs and effective capabilities of a
// thread, in the supervisor's user namespace, and its own user namespace.
type identity struct {
	real, effective, saved, fs uint32
	group                      uint32
	groups                     []uint32
	caps                       uint64
	ns                         string
	// proc is its directory in procfs.
	proc string
}

// identify reads the identity of a thread.
func identify(proc string) (id identity, err error) {
	status, err := ptrace.ReadStatus(proc)
	if err != nil {
		return id, err
	}
	id.ns, _ = os.Readlink(proc + "/ns/user") // "" for a process that may not be looked at
	id.proc = proc
	uids, gids := numbers(status.Field("Uid")), numbers(status.Field("Gid"))
	if len(uids) != 4 || len(gids) != 4 {
		return id, errors.New(proc + "/status has no IDs")
	}
	id.real, id.effective, id.saved, id.fs = uids[0], uids[1], uids[2], uids[3]
	id.group, id.groups = gids[3], numbers(status.Field("Groups"))
	slices.Sort(id.groups)
	id.caps, err = strconv.ParseUint(strings.Join(status.Field("CapEff"), " "), 16, 64)
	return id, err
}

func numbers(words []string) (list []uint32) {
	for _, w := range words {
		if n, err := strconv.ParseUint(w, 10, 32); err == nil {
			list = append(list, uint32(n))
		}
	}
	return list
}

// sameIDs reports whether the permissions of both differ by capabilities at most.
func (id identity) sameIDs(o identity) bool {
	return id.fs == o.fs && id.group == o.group && slices.Equal(id.groups, o.groups)
}

// over reports whether it has a capability over an inode.
func (id identity) over(bit int, st *unix.Stat_t, own identity) bool {
	if id.caps>>bit&1 == 0 {
		return false
	}
	return id.ns == own.ns || readMap(id.proc+"/uid_map").Has(st.Uid) && readMap(id.proc+"/gid_map").Has(st.Gid)
}

// readMap reads an ID map. The IDs outside are those of the supervisor's user namespace. A map
// that cannot be read has none.
func readMap(file string) ids.Map {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	return ids.ParseMap(string(b))
}

// as calls a function with the file system IDs, groups and effective capabilities of an
// identity, on a thread that then ends. The permitted capabilities of the thread remain, so
// nobody may trace it who may not trace the supervisor. It returns false if it cannot.
func (id identity) as(own identity, do func()) (ok bool) {
	caps := id.caps & own.caps
	if id.ns != own.ns {
		caps = 0
	}
	if id.sameIDs(own) && caps == own.caps {
		do()
		return true
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if ok = id.become(own, caps); ok {
			do()
		}
	}()
	<-done
	return ok
}

// become changes the calling thread.
func (id identity) become(own identity, effective uint64) bool {
	if !id.sameIDs(own) {
		var at *uint32
		if len(id.groups) > 0 {
			at = &id.groups[0]
		}
		dumpable, _ := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
		if setgroups(len(id.groups), at) != 0 {
			return false
		}
		unix.SetfsgidRetGid(int(id.group))
		unix.SetfsuidRetUid(int(id.fs))
		if dumpable != 1 { // a change of the file system IDs resets it, for all threads
			unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
		}
		uid, _ := unix.SetfsuidRetUid(-1)
		if gid, _ := unix.SetfsgidRetGid(-1); uint32(uid) != id.fs || uint32(gid) != id.group {
			return false
		}
	}
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if unix.Capget(&head, &sets[0]) != nil {
		return false
	}
	// A change of the file system user ID also changes the effective set.
	sets[0].Effective, sets[1].Effective = uint32(effective), uint32(effective>>32)
	return unix.Capset(&head, &sets[0]) == nil
}

// setgroups is that of the kernel, for the calling thread; package unix changes all threads.
func setgroups(n int, at *uint32) unix.Errno {
	_, _, e := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(n), uintptr(unsafe.Pointer(at)), 0)
	return e
}
