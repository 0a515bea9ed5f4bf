package host

import (
	"fmt"
	"io/fs"
	"math/bits"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"hk/internal/entry"
	"hk/pkg/cause"
	"hk/pkg/ids"

	"golang.org/x/sys/unix"
)

// RestoreNofile restores the soft RLIMIT_NOFILE that the process had before the Go
// runtime raised it.
func RestoreNofile() {
	// A failing Exec does that: any other way would need a linkname.
	_ = syscall.Exec("", nil, nil)
}

// This describes the machine and this process. Preconditions: the calling goroutine is
// locked to the process's first thread, and has not changed anything yet.
func This() *Host {
	h := &Host{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid()), SelfFD: selfFD(), PID: os.Getpid(), Parent: os.Getppid()}
	h.files()
	h.kernel()
	h.namespaces()
	var given Handover
	h.Env, given = takeHandover(os.Environ())
	if dir, err := unix.Getcwd(make([]byte, unix.PathMax)); err == nil && dir > 0 {
		h.Dir, _ = os.Getwd()
	}
	h.started()
	h.capabilities()
	if given != (Handover{}) {
		if h.Handover = given.held(h); h.Handover.Unmapped && given.Unmapped {
			h.UID, h.GID = given.UID, given.GID
		}
		h.observe()
	}
	h.DropsGroups = h.Effective>>unix.CAP_SETGID&1 != 0 && hasGroups() && !h.NoSetgroups()
	return h
}

// files sets how files are looked up.
func (h *Host) files() {
	h.Stat = func(p string) (fs.FileMode, error) { return mode(os.Stat(p)) }
	h.Owner, h.Inode = owner, inode
	h.StatIn = statIn
	h.ReadOnly, h.InProcfs, h.IsMount = readOnly, inProcfs, isMount
	h.Lstat = func(p string) (fs.FileMode, error) { return mode(os.Lstat(p)) }
	h.Readlink = readlink
	h.ReadDir = readDir
	h.Root = func() (int, error) {
		return unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	}
	h.Look, h.Descriptor, h.DirNamed = h.look, h.descriptor, h.dirNamed
	h.MountIn = mountIn
	h.Helper, h.GainsPrivileges = helper, gainsPrivileges
	h.Program, h.ProgramAt = program, programAt
	h.TTY = terminal
	h.Unique = unique
	h.SubIDs = func(kind string) ([]ids.Range, error) { return subIDs(h.UID, kind) }
}

// kernel sets how the kernel is asked what it supports: once.
func (h *Host) kernel() {
	h.Has = func(f Feature) bool { return f.Check() == nil }
	h.LandlockABI = sync.OnceValue(func() int { return landlockVersion(unix.LANDLOCK_CREATE_RULESET_VERSION) })
	h.LandlockErrata = sync.OnceValue(func() int { return landlockVersion(unix.LANDLOCK_CREATE_RULESET_ERRATA) })
	h.Audit, h.SELinux = audit, selinux
	h.FilterByPrctl, h.KeepsNoNewPrivs = filterByPrctl, keepsNoNewPrivs
	h.CgroupV2 = func() bool {
		var st unix.Statfs_t
		return unix.Statfs("/sys/fs/cgroup", &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC
	}
	h.SuidDumpable = func() int {
		b, err := ReadProc("/proc/sys/fs/suid_dumpable")
		if n, e := strconv.Atoi(strings.TrimSpace(b)); err == nil && e == nil {
			return n
		}
		return 0
	}
}

// namespaces sets how procfs is asked about namespaces and processes.
func (h *Host) namespaces() {
	h.UserNS = func() bool {
		b, err := ReadProc("/proc/self/uid_map")
		return err != nil || !slices.Equal(ids.ParseMap(b), ids.Map{{Inside: 0, Outside: 0, Count: ids.Last + 1}})
	}
	h.Mapped = func() bool { b, err := ReadProc("/proc/self/uid_map"); return err != nil || b != "" }
	h.NoNested = func() bool {
		b, err := ReadProc("/proc/sys/user/max_user_namespaces")
		return err == nil && strings.TrimSpace(b) == "0"
	}
	h.TryUserNS, h.SharesNamespace = tryUserNS, sharesNamespace
	h.NoSetgroups = func() bool {
		b, err := ReadProc("/proc/self/setgroups")
		return err == nil && strings.TrimSpace(b) == "deny"
	}
	h.HostRoot = sync.OnceValues(hostRoot)
	h.OwnNet, h.Origins = ownNet, origins
	h.Procfs = procfs
	h.FDInfo = func(fd int) (string, error) { return ReadProc(fmt.Sprintf("/proc/self/fdinfo/%d", fd)) }
	h.UIDMap = func(pid int) (string, error) { return ReadProc(fmt.Sprintf("/proc/%d/uid_map", pid)) }
}

// started records what this process had inherited from its caller when it was started.
func (h *Host) started() {
	h.Sigmask, h.Ignored, h.Raises = entry.Blocked(), entry.Ignored(), entry.Kept()
	for _, l := range entry.Changed() {
		h.Raised = append(h.Raised, Rlimit(l))
	}
	h.Rlimit = h.rlimit
	h.SpareFD = func() int { soft, _ := h.rlimit(unix.RLIMIT_NOFILE); return spareFD(soft) }
	var sig int32
	if unix.Prctl(unix.PR_GET_PDEATHSIG, uintptr(ptr(&sig)), 0, 0, 0) == nil {
		h.ParentDeathSignal = unix.Signal(sig)
	}
}

func (h *Host) rlimit(resource int) (soft, hard uint64) {
	for _, r := range h.Raised {
		if r.Resource == resource {
			return r.Soft, r.Hard
		}
	}
	var r unix.Rlimit
	if unix.Getrlimit(resource, &r) != nil {
		return unix.RLIM_INFINITY, unix.RLIM_INFINITY
	}
	return r.Cur, r.Max
}

// AllCaps is every capability that the kernel knows, as bits.
func (h *Host) AllCaps() uint64 { return ^uint64(0) >> (63 - h.LastCap) }

// capabilities reads what this process may do. A failure is never taken for less than there is.
// The calls change nothing and need no privilege, so it is a filter that denies one; procfs tells
// the same then.
func (h *Host) capabilities() {
	if bits, err := unix.PrctlRetInt(unix.PR_GET_SECUREBITS, 0, 0, 0, 0); err == nil {
		h.Securebits = uint32(bits)
	}
	if set, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); err == nil {
		h.NoNewPrivs = set != 0
	}
	if call, err := h.askCapabilities(); err != nil && !h.readCapabilities() {
		text, name := RefusedBy(call)
		h.Unread = cause.Because(name, fmt.Errorf("%s: %w: %s", call, err, text))
	}
}

// knownCap is a capability that each kernel has on which hk runs.
const knownCap = unix.CAP_CHECKPOINT_RESTORE

// askCapabilities asks the kernel, and returns the call that has failed.
func (h *Host) askCapabilities() (call string, err error) {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&head, &data[0]); err != nil {
		return "capget", err
	}
	h.Effective = uint64(data[1].Effective)<<32 | uint64(data[0].Effective)
	h.Permitted = uint64(data[1].Permitted)<<32 | uint64(data[0].Permitted)
	h.Inheritable = uint64(data[1].Inheritable)<<32 | uint64(data[0].Inheritable)
	for c := 0; c < 64; c++ {
		set, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(c), 0, 0, 0)
		if err == unix.EINVAL && c > knownCap {
			break
		}
		if err != nil {
			return "prctl", err
		}
		h.LastCap = c
		h.Bounding |= uint64(set&1) << c
	}
	// An ambient capability is also permitted and inheritable.
	for c := 0; c <= h.LastCap; c++ {
		if h.Permitted&h.Inheritable>>c&1 == 0 {
			continue
		}
		set, err := unix.PrctlRetInt(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_IS_SET, uintptr(c), 0, 0)
		if err != nil {
			return "prctl", err
		}
		h.Ambient |= uint64(set&1) << c
	}
	return "", nil
}

// readCapabilities reads them in procfs. A capability above the last one that is known, and in no
// set, may exist, but cannot be had.
func (h *Host) readCapabilities() bool {
	status, err := ReadProc("/proc/self/status")
	if err != nil || procfs() != nil {
		return false
	}
	for name, set := range map[string]*uint64{"CapInh": &h.Inheritable, "CapPrm": &h.Permitted, "CapEff": &h.Effective, "CapBnd": &h.Bounding, "CapAmb": &h.Ambient} {
		_, after, _ := strings.Cut(status, "\n"+name+":\t")
		value, _, _ := strings.Cut(after, "\n")
		if *set, err = strconv.ParseUint(value, 16, 64); err != nil {
			return false
		}
	}
	h.LastCap = max(knownCap, bits.Len64(h.Bounding|h.Permitted|h.Inheritable)-1)
	return true
}

// hasGroups reports whether there are supplementary groups, and true if that cannot be known.
func hasGroups() bool {
	groups, err := unix.Getgroups()
	return err != nil || len(groups) > 0
}

// landlockVersion asks landlock_create_ruleset(2) for its version, or is 0 if it is not
// available.
func landlockVersion(what uintptr) int {
	n, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, what)
	if e != 0 {
		return 0
	}
	return int(n)
}
