package host

import (
	"errors"
	"fmt"
	"strings"

	"hk/pkg/cause"

	"golang.org/x/sys/unix"
)

// ErrNotSupported is something that the kernel lacks because it is too old or was built
// without it, or that a filter hides: an error of this package, and an op that fails
// with ENOSYS or EOPNOTSUPP.
var ErrNotSupported = errors.ErrUnsupported

// NotSupported is err, and an [ErrNotSupported].
func NotSupported(err error) error { return notSupported{err} }

type notSupported struct{ error }

func (notSupported) Is(target error) bool { return target == ErrNotSupported }
func (e notSupported) Unwrap() error      { return e.error }

// A Feature is something that a plan may use and that not every kernel has, depending
// on its version and on how it was built and started.
type Feature int

// The features, in the order of [Features].
const (
	CgroupNamespaces Feature = iota
	IPCNamespaces
	MountNamespaces
	NetNamespaces
	PIDNamespaces
	TimeNamespaces
	UserNamespaces
	UTSNamespaces
	InitialInodes
	Clone3
	PidfdOpen
	PidfdSendSignal
	PidfdSignalGroup
	CloseRange
	CloseRangeCloexec
	Openat2
	Faccessat2
	MemfdExec
	MountCalls
	MountSetattr
	MountNoSymfollow
	MountIdmap
	TmpfsIdmap
	OverlayInUserNS
	OverlayAppend
	OverlayFD
	SeccompFilter
	SyscallInfo
	Keyrings
	LandlockABI1
	LandlockABI2
	LandlockABI3
	LandlockABI4
	LandlockABI5
	LandlockABI6
	LandlockABI7
	LandlockABI8
	LandlockABI9
	LandlockABI10
	LandlockABI11
	LandlockErrata
	features
)

// NewestLandlockABI is the newest ABI in the table.
const NewestLandlockABI = int(LandlockABI11-LandlockABI1) + 1

// Landlock is the feature for a Landlock ABI, from 1 on.
func Landlock(abi int) Feature { return LandlockABI1 + Feature(abi-1) }

// Hidden is the advice for a call that has failed with ENOSYS although the kernel has
// it.
const Hidden = "a surrounding seccomp filter may hide the call, as systemd's RestrictSUIDSGID= and DynamicUser= hide openat2(2)"

// What a user can do about a feature that the kernel should have according to its
// version.
const (
	notBuilt = "it is not built into the kernel: "
	noLSM    = "it is not built in, or not among the lsm= of the kernel command line"
	newer    = "a newer kernel has it"
)

// table has the features. A probe is nil if only the version tells.
var table = [features]struct {
	name   string
	since  Version
	probe  func(f Feature, name string) error
	advice string
}{
	CgroupNamespaces: {"cgroup namespaces", Version{4, 6}, probeNamespace, notBuilt + "CONFIG_CGROUPS"},
	IPCNamespaces:    {"ipc namespaces", Version{2, 6}, probeNamespace, notBuilt + "CONFIG_IPC_NS"},
	MountNamespaces:  {"mnt namespaces", Version{2, 4}, probeNamespace, newer},
	NetNamespaces:    {"net namespaces", Version{2, 6}, probeNamespace, notBuilt + "CONFIG_NET_NS"},
	PIDNamespaces:    {"pid namespaces", Version{2, 6}, probeNamespace, notBuilt + "CONFIG_PID_NS"},
	TimeNamespaces:   {"time namespaces", Version{5, 6}, probeNamespace, notBuilt + "CONFIG_TIME_NS"},
	UserNamespaces:   {"user namespaces", Version{3, 8}, probeNamespace, notBuilt + "CONFIG_USER_NS"},
	UTSNamespaces:    {"uts namespaces", Version{2, 6}, probeNamespace, notBuilt + "CONFIG_UTS_NS"},
	InitialInodes:    {"known numbers of the initial net and mnt namespaces", Version{6, 18}, nil, newer},

	// CLONE_CLEAR_SIGHAND was added in 5.5.
	Clone3:            {"clone3(2)", Version{5, 5}, probeClone3, "a surrounding seccomp filter hides clone3(2), such as that of a container, or systemd's RestrictNamespaces="},
	PidfdOpen:         {"pidfd_open(2)", Version{5, 3}, probePidfdOpen, Hidden},
	PidfdSendSignal:   {"pidfd_send_signal(2)", Version{5, 1}, probePidfdSendSignal, Hidden},
	PidfdSignalGroup:  {"PIDFD_SIGNAL_PROCESS_GROUP", Version{6, 9}, probePidfdSignalGroup, newer},
	CloseRange:        {"close_range(2)", Version{5, 9}, probeCloseRange, Hidden},
	CloseRangeCloexec: {"CLOSE_RANGE_CLOEXEC", Version{5, 11}, probeCloseRangeCloexec, newer},
	Openat2:           {"openat2(2)", Version{5, 6}, probeOpenat2, Hidden},
	Faccessat2:        {"faccessat2(2)", Version{5, 8}, probeFaccessat2, Hidden},
	MemfdExec:         {"MFD_EXEC", Version{6, 3}, probeMemfdExec, newer},

	MountCalls:       {"open_tree(2), move_mount(2), fsopen(2), fsconfig(2), fsmount(2)", Version{5, 2}, probeMountCalls, Hidden},
	MountSetattr:     {"mount_setattr(2)", Version{5, 12}, probeMountSetattr, Hidden},
	MountNoSymfollow: {"MOUNT_ATTR_NOSYMFOLLOW", Version{5, 14}, probeMountNoSymfollow, newer},
	MountIdmap:       {"MOUNT_ATTR_IDMAP", Version{5, 12}, nil, newer},
	TmpfsIdmap:       {"ID-mapped mounts of a tmpfs", Version{6, 3}, nil, newer},
	OverlayInUserNS:  {"overlays in a user namespace", Version{5, 11}, nil, newer},
	OverlayAppend:    {"option lowerdir+ of overlays", Version{6, 5}, nil, newer},
	OverlayFD:        {"layers of overlays by descriptor", Version{6, 13}, nil, newer},

	// SECCOMP_RET_LOG and SECCOMP_RET_KILL_PROCESS were added in 4.14.
	SeccompFilter: {"seccomp filters", Version{4, 14}, probeSeccompFilter, notBuilt + "CONFIG_SECCOMP_FILTER"},
	SyscallInfo:   {"PTRACE_GET_SYSCALL_INFO", Version{5, 3}, nil, newer},
	Keyrings:      {"keyrings", Version{2, 6}, probeKeyrings, notBuilt + "CONFIG_KEYS"},

	LandlockABI1:   {"Landlock ABI 1", Version{5, 13}, probeLandlock, noLSM},
	LandlockABI2:   {"Landlock ABI 2", Version{5, 19}, probeLandlock, noLSM},
	LandlockABI3:   {"Landlock ABI 3", Version{6, 2}, probeLandlock, noLSM},
	LandlockABI4:   {"Landlock ABI 4", Version{6, 7}, probeLandlock, noLSM},
	LandlockABI5:   {"Landlock ABI 5", Version{6, 10}, probeLandlock, noLSM},
	LandlockABI6:   {"Landlock ABI 6", Version{6, 12}, probeLandlock, noLSM},
	LandlockABI7:   {"Landlock ABI 7", Version{6, 15}, probeLandlock, noLSM},
	LandlockABI8:   {"Landlock ABI 8", Version{7, 0}, probeLandlock, noLSM},
	LandlockABI9:   {"Landlock ABI 9", Version{7, 1}, probeLandlock, noLSM},
	LandlockABI10:  {"Landlock ABI 10", Version{7, 2}, probeLandlock, noLSM},
	LandlockABI11:  {"Landlock ABI 11", Version{7, 3}, probeLandlock, noLSM},
	LandlockErrata: {"errata of Landlock", Version{6, 15}, probeLandlockErrata, newer},
}

// Features lists all features.
func Features() []Feature {
	list := make([]Feature, features)
	for i := range list {
		list[i] = Feature(i)
	}
	return list
}

// String is the name, as in the manual pages.
func (f Feature) String() string { return table[f].name }

// Since is the version of Linux from which on hk can use the feature.
func (f Feature) Since() Version { return table[f].since }

// Advice is what to tell a user who lacks the feature: one sentence, without a full
// stop. On a kernel that is too old it names the version.
func (f Feature) Advice() string {
	if v, release, ok := Kernel(); ok && !v.AtLeast(f.Since()) {
		return fmt.Sprintf("needs Linux %v; this is %s", f.Since(), release)
	}
	return table[f].advice
}

// Check probes the kernel with calls that change nothing. It returns nil if the kernel
// has the feature, as far as this process can see; an [ErrNotSupported] if it does not;
// and another error if it cannot be determined. A feature that cannot be probed is
// decided by the version.
//
// That the kernel has a feature does not mean that this process may use it: a sysctl, a
// limit, a missing capability or another security module can prevent it. And a feature
// that seems to be missing may exist: a seccomp filter, such as that of a container,
// can hide a call. A filter that kills for a call also kills for its probe.
func (f Feature) Check() error {
	var err error
	if probe := table[f].probe; probe != nil {
		err = probe(f, f.String())
	} else if v, _, ok := Kernel(); !ok {
		err = errors.New("the kernel does not report its version")
	} else if !v.AtLeast(f.Since()) {
		err = ErrNotSupported
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrNotSupported):
		return NotSupported(&unsupported{f, err})
	}
	return fmt.Errorf("%v: %w", f, err)
}

// unsupported is a missing feature, and the error that showed it.
type unsupported struct {
	f   Feature
	err error
}

func (e *unsupported) Error() string { return fmt.Sprintf("%v: not supported: %s", e.f, e.f.Advice()) }
func (e *unsupported) Unwrap() error { return e.err }

// Cause implements what [cause.In] looks for.
func (e *unsupported) Cause() cause.Name { return e.f.Cause() }

// Cause is why the feature is missing, if it is.
func (f Feature) Cause() cause.Name {
	v, _, ok := Kernel()
	switch advice := table[f].advice; {
	case ok && !v.AtLeast(f.Since()):
		return cause.KernelVersion
	case advice == noLSM:
		return cause.LandlockBoot
	case strings.HasPrefix(advice, notBuilt):
		return cause.KernelConfig
	case f == Clone3:
		return cause.UsernsSeccomp
	case advice == Hidden:
		return cause.CallHidden
	}
	return cause.KernelVersion
}

// namespaceFlags are the flags of clone(2) for which the kernel returns EINVAL if it
// lacks that type of namespace.
var namespaceFlags = [...]struct {
	f    Feature
	flag string
}{
	{IPCNamespaces, "CLONE_NEWIPC"}, {NetNamespaces, "CLONE_NEWNET"}, {PIDNamespaces, "CLONE_NEWPID"},
	{TimeNamespaces, "CLONE_NEWTIME"}, {UserNamespaces, "CLONE_NEWUSER"}, {UTSNamespaces, "CLONE_NEWUTS"},
}

// Cause returns the feature that the kernel lacks, if that is why a call, as printed by
// strace, has failed.
func Cause(call string, errno unix.Errno) (f Feature, ok bool) {
	name, args, _ := strings.Cut(call, "(")
	switch {
	case errno == unix.ENOSYS:
		return byName(name)
	case errno == unix.EINVAL && (name == "unshare" || name == "clone3"):
		for _, ns := range namespaceFlags {
			if strings.Contains(args, ns.flag) && errors.Is(ns.f.Check(), ErrNotSupported) {
				return ns.f, true
			}
		}
	}
	return 0, false
}

// byName finds the feature that has a call in its name.
func byName(call string) (f Feature, ok bool) {
	for i := range table {
		for name := range strings.SplitSeq(table[i].name, ", ") {
			if name == call+"(2)" {
				return Feature(i), true
			}
		}
	}
	return 0, false
}
