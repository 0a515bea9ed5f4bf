package stage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"hk/internal/entry"

	"golang.org/x/sys/unix"
)

// A Host is what stages may know of the machine and of the caller while they
// plan. Tests make their own, so that a plan depends on nothing else.
type Host struct {
	UID, GID uint32
	// Env is the caller's environment, without the handover.
	Env []string
	// Handover is what an earlier stage of the chain has left.
	Handover Handover
	// Dir is the working directory, or "" if it has no name.
	Dir string
	// Sigmask is the caller's signal mask, and Ignored the signals that the caller
	// ignores; bit n-1 is signal n.
	Sigmask, Ignored uint64
	// Raised are limits of the caller's that this process has not: it could not
	// have started with them.
	Raised []Rlimit
	// Raises is set if programs of hk raise soft limits for their start.
	Raises bool
	// Parent is the process that has started this one, and ParentDeathSignal what
	// the kernel sends when that ends, or 0.
	Parent            int
	ParentDeathSignal unix.Signal
	// Bounding, Ambient and Permitted are the caller's capability sets.
	Bounding, Ambient, Permitted uint64
	// DropsGroups is set if the caller has supplementary groups and may drop
	// them.
	DropsGroups bool
	// LastCap is the highest capability that the kernel knows.
	LastCap int
	// SelfFD is the descriptor by which this program was executed, or -1.
	SelfFD int

	// TTY is the name of the terminal among the standard descriptors, or "".
	TTY func() string
	// Stat tells a file's type, following symbolic links, or why it cannot.
	Stat func(path string) (fs.FileMode, error)
	// StatIn is the same in a directory that is taken for the root: no link leads
	// out of it.
	StatIn func(root, path string) (fs.FileMode, error)
	// Look tells what a path leads to that is to be bound, or why it cannot.
	Look func(path string) (Found, error)
	// Lstat is Stat without following the last link.
	Lstat func(path string) (fs.FileMode, error)
	// Readlink returns the text of a symbolic link.
	Readlink func(path string) (string, error)
	// ReadDir lists a directory of no more than a thousand names.
	ReadDir func(path string) ([]fs.DirEntry, error)
	// Root opens the root directory, to look names up in it.
	Root func() (fd int, err error)
	// SpareFD is a descriptor that is not open, or 0 if there is none.
	SpareFD func() int
	// Rlimit returns the soft and hard limit of a resource that the caller has.
	Rlimit func(resource int) (soft, hard uint64)
	// LandlockABI is the kernel's Landlock ABI, 0 if there is none.
	LandlockABI func() int
	// LandlockErrata has bit n-1 set if the kernel says that Landlock's erratum
	// n is mended. A kernel that cannot tell (before 6.15, but for later fixes to
	// older ones) has 0.
	LandlockErrata func() int
	// SubIDs lists the ids that subuid(5) or subgid(5) gives to the caller;
	// kind is "uid" or "gid".
	SubIDs func(kind string) ([]IDRange, error)
	// Helper is the path of a program that does an outside step, or "".
	Helper func(name string) string
	// Procfs is an error if /proc is not a procfs.
	Procfs func() error
	// Program is the file that this process executes.
	Program func() (Program, error)
	// ProgramAt is the file of another one, without its path.
	ProgramAt func(path string) (Program, error)
	// FDInfo is what /proc/PID/fdinfo says of a descriptor of the caller's, which
	// must be there: ENOENT.
	FDInfo func(fd int) (string, error)
	// UserNS reports whether the caller is in a user namespace of its own.
	UserNS func() bool
	// MachineRoot is the ID that user 0 of the machine has in the caller's user
	// namespace, or NoID if it has none there and the caller is not that user.
	// known is false if that cannot be told.
	MachineRoot func() (id uint32, known bool)
	// UIDMap is the uid map of the user namespace of a process, which must not
	// have ended: ENOENT. It is empty if there is none yet.
	UIDMap func(pid int) (string, error)
	// NoSetgroups reports whether setgroups(2) is denied in the caller's user
	// namespace.
	NoSetgroups func() bool
	// FilterByPrctl reports whether a seccomp filter is in force which may deny
	// seccomp(2), and which lets prctl(2) load another one.
	FilterByPrctl func() bool
	// KeepsNoNewPrivs reports whether no_new_privs is set, and a seccomp filter in
	// force denies prctl(2) to set it again.
	KeepsNoNewPrivs func() bool
	// SuidDumpable is the sysctl fs.suid_dumpable, and so whether a process is
	// dumpable after a change of its user ID: 0 and 2 say that it is not.
	SuidDumpable func() int
	// ExecGains reports whether execve(2) may give user ID 0 capabilities: the
	// caller has neither the no_new_privs attribute nor SECBIT_NOROOT.
	ExecGains func() bool
	// Mapped reports whether the caller's user namespace has a uid map.
	Mapped func() bool
	// OwnNet reports whether the caller's network namespace is known not to be
	// the machine's.
	OwnNet func() bool
}

// A Rlimit is a resource limit, see getrlimit(2).
type Rlimit struct {
	Name       string // as in the manual page
	Resource   int
	Soft, Hard uint64
}

// ThisHost describes the machine. Preconditions: the calling goroutine is
// locked to the process's first thread, and has not changed anything yet.
//
// It gives the process back the soft RLIMIT_NOFILE that it had before the Go
// runtime raised it.
func ThisHost() *Host {
	// A failing Exec does that: there is no other way that needs no linkname.
	_ = syscall.Exec("", nil, nil)
	h := &Host{
		UID: uint32(os.Geteuid()), GID: uint32(os.Getegid()),
		SelfFD:   selfFD(),
		Stat:     func(p string) (fs.FileMode, error) { return mode(os.Stat(p)) },
		StatIn:   statIn,
		Lstat:    func(p string) (fs.FileMode, error) { return mode(os.Lstat(p)) },
		Readlink: os.Readlink,
		ReadDir:  readDir,
		Root: func() (int, error) {
			return unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		},
		// The kernel is asked once.
		LandlockABI:    sync.OnceValue(func() int { return landlockVersion(unix.LANDLOCK_CREATE_RULESET_VERSION) }),
		LandlockErrata: sync.OnceValue(func() int { return landlockVersion(unix.LANDLOCK_CREATE_RULESET_ERRATA) }),
		Helper:         helper,
		UserNS: func() bool {
			b, err := readProc("/proc/self/uid_map")
			return err != nil || strings.Join(strings.Fields(b), " ") != "0 0 4294967295"
		},
		MachineRoot: sync.OnceValues(machineRoot),
		Procfs:      procfs,
		Program:     program,
		ProgramAt:   programAt,
		FDInfo:      func(fd int) (string, error) { return readProc(fmt.Sprintf("/proc/self/fdinfo/%d", fd)) },
		OwnNet:      ownNet,
		TTY:         terminal,
		UIDMap:      func(pid int) (string, error) { return readAll(fmt.Sprintf("/proc/%d/uid_map", pid)) },
		NoSetgroups: func() bool {
			b, err := readProc("/proc/self/setgroups")
			return err == nil && strings.TrimSpace(b) == "deny"
		},
		FilterByPrctl:   filterByPrctl,
		KeepsNoNewPrivs: keepsNoNewPrivs,
		SuidDumpable: func() int {
			b, err := readProc("/proc/sys/fs/suid_dumpable")
			if n, e := strconv.Atoi(strings.TrimSpace(b)); err == nil && e == nil {
				return n
			}
			return 0
		},
		ExecGains: func() bool {
			set, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
			bits, e := unix.PrctlRetInt(unix.PR_GET_SECUREBITS, 0, 0, 0, 0)
			return err != nil || e != nil || set == 0 && bits&1 == 0
		},
		Mapped: func() bool { b, err := readProc("/proc/self/uid_map"); return err != nil || b != "" },
	}
	var given Handover
	h.Env, given = takeHandover(os.Environ())
	h.SubIDs = func(kind string) ([]IDRange, error) { return subIDs(h.UID, kind) }
	if dir, err := unix.Getcwd(make([]byte, unix.PathMax)); err == nil && dir > 0 {
		h.Dir, _ = os.Getwd()
	}
	h.Sigmask, h.Ignored = entry.Blocked(), entry.Ignored()
	h.Raises = entry.Kept()
	for _, l := range entry.Changed() {
		h.Raised = append(h.Raised, Rlimit(l))
	}
	h.Rlimit = h.rlimit
	h.SpareFD = func() int { soft, _ := h.rlimit(unix.RLIMIT_NOFILE); return spareFD(soft) }
	h.Look = h.look
	h.Parent = os.Getppid()
	var sig int32
	if unix.Prctl(unix.PR_GET_PDEATHSIG, uintptr(ptr(&sig)), 0, 0, 0) == nil {
		h.ParentDeathSignal = unix.Signal(sig)
	}
	h.capabilities()
	if given != (Handover{}) {
		if h.Handover = given.held(h); h.Handover.Unmapped && given.Unmapped {
			h.UID, h.GID = given.UID, given.GID
		}
	}
	h.DropsGroups = h.Permitted>>unix.CAP_SETGID&1 != 0 && hasGroups() && !h.NoSetgroups()
	return h
}

func mode(fi fs.FileInfo, err error) (fs.FileMode, error) {
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			return 0, pe.Err
		}
		return 0, err
	}
	return fi.Mode(), nil
}

func statIn(root, path string) (fs.FileMode, error) {
	dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(dir)
	fd, err := OpenIn(dir, path, unix.O_PATH)
	if err != nil {
		return 0, err
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	return mode(f.Stat())
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

func (h *Host) capabilities() {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	inheritable := uint64(0)
	if unix.Capget(&head, &data[0]) == nil {
		h.Permitted = uint64(data[1].Permitted)<<32 | uint64(data[0].Permitted)
		inheritable = uint64(data[1].Inheritable)<<32 | uint64(data[0].Inheritable)
	}
	for c := 0; c < 64; c++ {
		set, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(c), 0, 0, 0)
		if err != nil {
			break
		}
		h.LastCap = c
		h.Bounding |= uint64(set&1) << c
	}
	// An ambient capability is a permitted and an inheritable one.
	for c := 0; c <= h.LastCap; c++ {
		if h.Permitted&inheritable>>c&1 == 0 {
			continue
		}
		if set, err := unix.PrctlRetInt(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_IS_SET, uintptr(c), 0, 0); err == nil {
			h.Ambient |= uint64(set&1) << c
		}
	}
}

func hasGroups() bool {
	groups, err := unix.Getgroups()
	return err == nil && len(groups) > 0
}

// readProc reads a small file of procfs. Package os would start its poller for it.
func readProc(path string) (string, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	defer unix.Close(fd)
	var b [4096]byte
	n, err := unix.Read(fd, b[:])
	return string(b[:max(n, 0)]), err
}

// terminal is the name of the first standard descriptor that is a terminal.
func terminal() string {
	for n, fd := range []string{"0", "1", "2"} {
		if _, err := unix.IoctlGetTermios(n, unix.TCGETS); err != nil {
			continue
		}
		name, err := os.Readlink("/proc/self/fd/" + fd)
		if err != nil || !strings.HasPrefix(name, "/dev/") {
			continue
		}
		var a, b unix.Stat_t
		// The name may be one of another mount namespace.
		if unix.Fstat(n, &a) == nil && unix.Stat(name, &b) == nil && a.Rdev == b.Rdev && a.Ino == b.Ino && a.Dev == b.Dev {
			return name
		}
	}
	return ""
}

// readAll reads a file of procfs that may be larger.
func readAll(path string) (string, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	defer unix.Close(fd)
	var text []byte
	var b [4096]byte
	for {
		n, err := unix.Read(fd, b[:])
		if err != nil || n <= 0 {
			return string(text), err
		}
		text = append(text, b[:n]...)
	}
}

func procfs() error {
	var st unix.Statfs_t
	if err := unix.Statfs("/proc", &st); err != nil {
		return fmt.Errorf("/proc: %w", err)
	}
	if st.Type != unix.PROC_SUPER_MAGIC {
		return errors.New("/proc is no procfs")
	}
	return nil
}

// landlockVersion asks landlock_create_ruleset(2) about itself; 0 if it does not
// answer.
func landlockVersion(what uintptr) int {
	n, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, what)
	if e != 0 {
		return 0
	}
	return int(n)
}
