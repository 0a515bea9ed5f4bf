package mount

import (
	"fmt"
	"slices"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// procControls are the names in a procfs through which user 0 of the initial user
// namespace controls more than processes. Entries of /proc/net belong to the network
// namespace and are reached through the processes; those of /proc/pressure only wait.
var procControls = []string{"acpi", "asound", "bus", "driver", "dynamic_debug", "fs", "irq", "latency_stats",
	"lock_stat", "mtrr", "profile", "scsi", "slabinfo", "sys", "sysrq-trigger"}

// ProcControls are the names that are read-only in a procfs for a payload that may be user 0
// of the initial user namespace.
func ProcControls() []string { return slices.Clone(procControls) }

// controlFilesystems are file systems that have only one instance, or whose files each
// stand for a kernel object.
var controlFilesystems = []string{"binfmt_misc", "cgroup", "cgroup2", "configfs", "debugfs", "devtmpfs", "efivarfs",
	"fusectl", "nfsd", "pstore", "resctrl", "securityfs", "selinuxfs", "smackfs", "sysfs", "tracefs", "xenfs"}

// rwSys is the option of a procfs that leaves procControls writable.
const rwSys = "rw-sys"

// controls reports whether a file system of this type is read-only unless the option rw
// is given, because a payload that may be user 0 of the initial user namespace could
// control the kernel through it.
func (b *builder) controls(fstype string) bool {
	return slices.Contains(controlFilesystems, fstype) && b.HostRoot()
}

// takeRWSys removes the option rw-sys from those of a procfs, and reports whether the
// control files are to be read-only.
func (b *builder) takeRWSys(options []string) (rest []string, covered bool) {
	rest = slices.DeleteFunc(options, func(o string) bool { return o == rwSys })
	return rest, len(rest) == len(options) && !slices.Contains(rest, "subset=pid") && b.HostRoot()
}

// attachNew creates a file system and attaches it. covered is for a procfs whose
// control files are to be read-only. A kernel does not have all of them, and those it
// lacks need no cover.
func (b *builder) attachNew(fstype string, attrs uint64, params [][2]string, at place, as *node, covered bool) {
	if fstype == "proc" {
		b.Root.Procfs, b.Root.Controls = true, b.Root.Controls || !covered && attrs&unix.MOUNT_ATTR_RDONLY == 0 && !slices.Contains(params, [2]string{"subset", "pid"})
	}
	if !covered || attrs&unix.MOUNT_ATTR_RDONLY != 0 {
		b.attach(b.newMount(fstype, attrs, params...), at, as)
		return
	}
	// The whole is read-only until the covers, which are clones of it, are in place.
	m := b.newMount(fstype, attrs|unix.MOUNT_ATTR_RDONLY, params...)
	b.move(m, at)
	for _, name := range procControls {
		tree := b.Open("tree", plan.OpenTree(plan.Ref(m), name, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC).
			Tolerate(unix.ENOENT))
		b.Add(plan.MoveMount(tree, plan.Ref(m), name).Tolerate(unix.EBADF, unix.ENOENT),
			plan.Close(tree).Tolerate(unix.EBADF))
	}
	b.Add(plan.MountSetattr(plan.Ref(m), "", unix.AT_EMPTY_PATH, plan.MountAttr{Clear: unix.MOUNT_ATTR_RDONLY}))
	b.attached(m, at, as)
	b.Note(fmt.Sprintf("the entries of /%s that control the kernel are read-only, because the payload may be host root: --proc=/%s:%s leaves them writable", at.abs, at.abs, rwSys))
}
