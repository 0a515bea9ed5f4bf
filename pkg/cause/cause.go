// Package cause has the names of what prevents a chain from working on a machine. Programs
// match on the names, which do not change; the sentences that people read may.
package cause

import "errors"

// A Name is the stable name of a cause, as in hk-chain(7), CAUSES. "" is a failure that has
// none.
type Name string

// The causes, in the order of [All].
const (
	UsernsSysctl       Name = "userns-sysctl"
	UsernsAppArmor     Name = "userns-apparmor"
	UsernsSELinux      Name = "userns-selinux"
	UsernsSeccomp      Name = "userns-seccomp"
	Chroot             Name = "chroot"
	Unmapped           Name = "unmapped"
	NamespaceLimit     Name = "namespace-limit"
	NewuidmapMissing   Name = "newuidmap-missing"
	NewuidmapPrivilege Name = "newuidmap-privilege"
	NewuidmapNosuid    Name = "newuidmap-nosuid"
	NoNewPrivs         Name = "no-new-privs"
	SubidMissing       Name = "subid-missing"
	ProcCovered        Name = "proc-covered"
	SysfsCovered       Name = "sysfs-covered"
	MountLandlock      Name = "mount-landlock"
	MountSeccomp       Name = "mount-seccomp"
	MountPoint         Name = "mount-point"
	SecurityModule     Name = "security-module"
	Capability         Name = "capability"
	SetgroupsDenied    Name = "setgroups-denied"
	CgroupMount        Name = "cgroup-mount"
	CgroupDelegation   Name = "cgroup-delegation"
	CgroupController   Name = "cgroup-controller"
	CgroupKeeper       Name = "cgroup-keeper"
	LandlockABI        Name = "landlock-abi"
	LandlockBoot       Name = "landlock-boot"
	LandlockDepth      Name = "landlock-depth"
	PastaMissing       Name = "pasta-missing"
	PastaTun           Name = "pasta-tun"
	PastaRoute         Name = "pasta-route"
	KernelVersion      Name = "kernel-version"
	KernelConfig       Name = "kernel-config"
	CallHidden         Name = "call-hidden"
	MemfdNoexec        Name = "memfd-noexec"
	ProcessLimit       Name = "process-limit"
	FileLimit          Name = "file-limit"
	KeyLimit           Name = "key-limit"
	NoAnswer           Name = "no-answer"
	Order              Name = "order"
	NoProcfs           Name = "no-procfs"
	SELinuxOff         Name = "selinux-off"
)

// A Cause is a name with what it means and what a user can do about it, each one sentence
// without a full stop.
type Cause struct {
	Name         Name
	What, Remedy string
}

var table = [...]Cause{
	{UsernsSysctl, "the sysctl kernel.unprivileged_userns_clone is 0, so that only root may create user namespaces",
		"as root, sysctl -w kernel.unprivileged_userns_clone=1"},
	{UsernsAppArmor, "AppArmor denies user namespaces, or capabilities in them, to programs without a profile that permits them",
		"as root, install a profile that permits them, as in hk-unshare(1), ERRORS, and load it with apparmor_parser -r"},
	{UsernsSELinux, "SELinux is enforcing and nothing else was found that denies user namespaces",
		"ask audit2why(8) which rule denies user_namespace create, and allow it in the policy"},
	{UsernsSeccomp, "a seccomp filter around this process denies the call that creates namespaces",
		"start the container or unit with a filter that allows it: --security-opt seccomp=FILE, or RestrictNamespaces=no"},
	{Chroot, "the root directory is not that of the mount namespace, as in a chroot or an initramfs",
		"start the chain outside the chroot, or make the new root with hk-mount, which uses pivot_root(2)"},
	{Unmapped, "the IDs of this process have no number in its user namespace",
		"map them first: hk-idmap, or newuidmap(1) from outside"},
	{NamespaceLimit, "a limit on namespaces is 0 or reached, or 32 of them are nested",
		"as root, raise the sysctl user.max_*_namespaces, or start the chain in fewer nested sandboxes"},
	{NewuidmapMissing, "newuidmap(1) or newgidmap(1) is not installed",
		"install the package uidmap or shadow-utils"},
	{NewuidmapPrivilege, "newuidmap(1) or newgidmap(1) has neither the set-user-ID bit of root nor file capabilities",
		"reinstall the package uidmap or shadow-utils, or, as root, chmod u+s the program"},
	{NewuidmapNosuid, "newuidmap(1) or newgidmap(1) is on a file system that is mounted with nosuid",
		"mount that file system without nosuid, or map only your own IDs with hk-idmap --self or --root"},
	{NoNewPrivs, "no_new_privs is set, so that programs such as newuidmap(1) gain no privileges",
		"start the chain without it: NoNewPrivileges=no in a unit, or the stage that sets it after hk-idmap"},
	{SubidMissing, "subuid(5) or subgid(5) gives this user no IDs",
		"as root, usermod --add-subuids FIRST-LAST --add-subgids FIRST-LAST USER, with IDs that no other line gives"},
	{ProcCovered, "a part of /proc is covered by another mount, so that no new procfs can be mounted in a user namespace",
		"bind mount the existing one with hk-mount --ro /proc, or start the container with an uncovered /proc"},
	{SysfsCovered, "no whole sysfs is mounted, or a part of it is covered, so that no new one can be mounted in a user namespace",
		"bind mount the existing one with hk-mount --ro /sys, or leave it out"},
	{MountLandlock, "a Landlock domain around this process forbids mounts",
		"start the chain outside that domain, or leave out hk-mount"},
	{MountSeccomp, "a seccomp filter around this process denies mounts",
		"start the container or unit with a filter that allows them: SystemCallFilter=@mount in a unit"},
	{MountPoint, "what is named in the new root does not exist, and nothing is created there",
		"create it on the host, or mount a tmpfs above it first: hk-mount --tmpfs"},
	{SecurityModule, "a security module, or something else that cannot be seen, denies it",
		"look for the denial in the kernel's log and in that of audit"},
	{Capability, "the process lacks a capability that the call needs",
		"start the chain with hk-unshare --user, or as root with that capability"},
	{SetgroupsDenied, "setgroups(2) is denied in the user namespace, as in one to which an ordinary user maps only the own group",
		"map more groups with hk-idmap --auto, or keep the groups with hk-setuser --groups keep"},
	{CgroupMount, "no hierarchy of cgroups is mounted in which this process can be seen",
		"mount one: hk-mount --cgroup2 /sys/fs/cgroup, or start the container with one"},
	{CgroupDelegation, "no cgroup has been delegated to this user, and systemd grants none",
		"put systemd-run --user --scope -p Delegate=yes before the command, or Delegate=yes into the unit, or name a directory with hk-limit --cgroup"},
	{CgroupController, "a controller is not available in the cgroup",
		"as root, enable it in cgroup.subtree_control of each cgroup above, or boot without cgroup_disable="},
	{CgroupKeeper, "hk-cgroup-keeper(8) is not installed with hk-limit",
		"install it in the directory libexec/hk beside that of hk-limit"},
	{LandlockABI, "the Landlock of this kernel lacks what was asked for",
		"use a newer kernel, or ask for less with hk-landlock --abi or --best-effort"},
	{LandlockBoot, "Landlock is not built into the kernel, or not among the lsm= of its command line",
		"boot with landlock in lsm=, or use a kernel with CONFIG_SECURITY_LANDLOCK"},
	{LandlockDepth, "the process is already in 16 nested Landlock domains",
		"combine the rules in one hk-landlock, or start the chain in fewer nested sandboxes"},
	{PastaMissing, "pasta(1) is not installed",
		"install the package passt"},
	{PastaTun, "/dev/net/tun is missing or may not be opened",
		"as root, modprobe tun and chmod 666 /dev/net/tun, or give the container that device"},
	{PastaRoute, "the network namespace around the chain has no interface with a route to the outside",
		"start the chain where there is a network, such as outside of another hk-unshare --net"},
	{KernelVersion, "the kernel is too old",
		"use the version of Linux that the message names"},
	{KernelConfig, "the kernel was built or booted without it",
		"use a kernel that is built with the option that the message names"},
	{CallHidden, "a seccomp filter denies a call, or hides that the kernel has it",
		"start the container or unit with a filter that allows it; in a unit, RestrictSUIDSGID=, DynamicUser=, RestrictAddressFamilies= and SystemCallFilter= make one"},
	{MemfdNoexec, "the sysctl vm.memfd_noexec forbids to execute files in memory",
		"as root, sysctl -w vm.memfd_noexec=0, or execute hk from a read-only mount"},
	{ProcessLimit, "a limit on processes is reached",
		"raise RLIMIT_NPROC (ulimit -u) of the user, or pids.max of the cgroup"},
	{FileLimit, "RLIMIT_NOFILE is too low for the files that a stage opens",
		"raise it with ulimit -n; hk-limit --nofile sets it for the payload alone"},
	{KeyLimit, "the user has as many keys as the sysctl kernel.keys.maxkeys allows",
		"as root, raise kernel.keys.maxkeys, or leave the keyring with hk-unshare --share keyring"},
	{NoAnswer, "a file system or a program does not answer",
		"unmount what does not answer with umount -l, or keep it out of PATH and of the chain"},
	{Order, "the stages are in an order in which one of them cannot work",
		"move the stage that the message names, or give --force-order to try it all the same"},
	{NoProcfs, "/proc is not a procfs that shows this process",
		"mount one: mount -t proc proc /proc"},
	{SELinuxOff, "SELinux is not enabled, or its file system is not mounted on /sys/fs/selinux",
		"leave out the label, or boot with security=selinux and load a policy"},
}

// All lists the causes.
func All() []Cause { return table[:] }

// Of is the cause of that name. It is empty for a name that does not exist.
func (n Name) Of() Cause {
	for _, c := range table {
		if c.Name == n {
			return c
		}
	}
	return Cause{}
}

// Because is err with its cause, for [In].
func Because(n Name, err error) error { return &named{n, err} }

type named struct {
	name Name
	err  error
}

func (e *named) Error() string { return e.err.Error() }
func (e *named) Unwrap() error { return e.err }

// Cause implements what [In] looks for.
func (e *named) Cause() Name { return e.name }

// In is the cause of an error: that of the first error in its tree that has one, or "".
func In(err error) Name {
	for err != nil {
		var c interface {
			error
			Cause() Name
		}
		if !errors.As(err, &c) {
			return ""
		}
		if n := c.Cause(); n != "" {
			return n
		}
		err = errors.Unwrap(c)
	}
	return ""
}
