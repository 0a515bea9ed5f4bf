package chain

import (
	"golang.org/x/sys/unix"
)

// noteUnmeant adds notes about what is possible but probably not meant. It comes after the
// stages, if the payload is executed by this plan.
func (t *translator) noteUnmeant() {
	const separate = unix.CLONE_NEWNS | unix.CLONE_NEWPID
	made := t.NS.New
	if made&unix.CLONE_NEWPID != 0 && !t.Root.Procfs {
		where := "/proc shows the processes of the caller"
		if t.Root.New {
			where = "no procfs shows the processes of it"
		}
		t.Note("there is a new PID namespace, but " + where + ": hk-mount --proc mounts a procfs for it")
	}
	if t.Root.Mounts && made&unix.CLONE_NEWNS != 0 && t.PayloadCaps()>>unix.CAP_SYS_ADMIN&1 != 0 {
		t.Note("the payload has CAP_SYS_ADMIN over its mounts, so it can make read-only ones writable and unmount what hides others: hk-setuser --caps none prevents that")
	}
	if made&separate != 0 && t.HostRoot() && (t.Root.Controls || !t.Root.New) {
		t.Note("the payload may be the machine's root, and can write to what controls the kernel in /proc: a new procfs of hk-mount --proc does not let it")
	}
}
