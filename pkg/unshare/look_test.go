package unshare

import (
	"os"
	"testing"

	"hk/pkg/host"

	"golang.org/x/sys/unix"
)

// TestOfFirst asks for namespaces of PID 1, which are the initial ones if that is the
// initial PID 1.
func TestOfFirst(t *testing.T) {
	var pids unix.Stat_t
	machine := unix.Stat("/proc/1/ns/pid", &pids) == nil && pids.Ino == host.InitialInode(unix.CLONE_NEWPID)
	for _, name := range []string{"net", "mnt"} {
		var it unix.Stat_t
		if unix.Stat("/proc/1/ns/"+name, &it) != nil {
			// A process that may not inspect PID 1 may not join its namespaces either.
			continue
		}
		if got := (member{name: name}).ofFirst(it); got != machine {
			t.Errorf("ofFirst() of the %s of PID 1, in PID namespace %d = %v; want %v", name, pids.Ino, got, machine)
		}
		it.Ino++
		if (member{name: name}).ofFirst(it) {
			t.Errorf("ofFirst() of another %s = true; want false", name)
		}
	}
}

// TestStill compares a descriptor of a process with a PID that has been reused.
func TestStill(t *testing.T) {
	fd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := still(fd, os.Getpid()); err != nil {
		t.Errorf("still() of the process itself = %v; want no error", err)
	}
	if err := still(fd, os.Getppid()); err == nil {
		t.Error("still() of another process = nil; want an error")
	}
}
