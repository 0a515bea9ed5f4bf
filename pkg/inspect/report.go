package inspect

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"hk/internal/vis"
	"hk/pkg/ids"

	"golang.org/x/sys/unix"
)

// Version is that of the keys of --json. It changes when a key is removed or changes its
// meaning, not when one is added.
const Version = 1

// A Report is what holds for a process. A section that was not asked for, or that could
// not be read at all, is absent. The names in JSON are those of hk-inspect(1).
type Report struct {
	Version int `json:"version"`
	// Thread is the one that is shown of another process whose first thread has ended, or 0.
	Thread     int                  `json:"thread,omitempty"`
	IDs        *IDs                 `json:"ids,omitempty"`
	Caps       *Caps                `json:"caps,omitempty"`
	Namespaces map[string]Namespace `json:"namespaces,omitempty"`
	Mounts     []Mount              `json:"mounts,omitempty"`
	Root       *Root                `json:"root,omitempty"`
	Limits     map[string]Limit     `json:"limits,omitempty"`
	Cgroups    []Cgroup             `json:"cgroups,omitempty"`
	Seccomp    *Seccomp             `json:"seccomp,omitempty"`
	Landlock   *Landlock            `json:"landlock,omitempty"`
	FDs        []FD                 `json:"fds,omitempty"`
	Signals    *Signals             `json:"signals,omitempty"`
	Session    *Session             `json:"session,omitempty"`
	Keyrings   map[string]Keyring   `json:"keyrings,omitempty"`
	Env        *Env                 `json:"env,omitempty"`
	// Unreadable says why something is absent, by its section, or by that and a name in it
	// after a dot. What is absent without such a reason does not exist.
	Unreadable map[string]string `json:"unreadable,omitempty"`

	// followed are the paths of assertions that lead through a symbolic link, or may do so.
	followed map[string]string
	// only are the sections that were asked for.
	only []string
	// lack is as in [process].
	lack error
	// start is as in [processStat], of another process.
	start int
	// links and dirs are the symbolic links and the directories at the top of the root
	// directory, and command is what is executed, for [compose].
	links   map[string]string
	dirs    []string
	command []string
}

// sections are the words of --only, in the order in which they are printed.
var sections = [...]string{"ids", "caps", "namespaces", "mounts", "root", "limits", "cgroups", "seccomp", "landlock",
	"fds", "signals", "session", "keyrings", "env"}

// Real, effective, saved and file system IDs: credentials(7).
type IDSet struct {
	Real       uint32 `json:"real"`
	Effective  uint32 `json:"effective"`
	Saved      uint32 `json:"saved"`
	FileSystem uint32 `json:"fs"`
}

// IDs are the user and group IDs, as the process that looks sees them, and the maps of the
// user namespace.
type IDs struct {
	UID    IDSet    `json:"uid"`
	GID    IDSet    `json:"gid"`
	Groups []uint32 `json:"groups"`
	// UIDMap and GIDMap are INSIDE:OUTSIDE:COUNT.
	UIDMap    []string `json:"uid_map"`
	GIDMap    []string `json:"gid_map"`
	Setgroups string   `json:"setgroups,omitempty"`

	uids, gids ids.Map
}

// Caps are the capability sets of the first thread: capabilities(7). The names are those of
// the manual page; a set without capabilities is empty.
type Caps struct {
	Permitted   []string `json:"permitted"`
	Effective   []string `json:"effective"`
	Inheritable []string `json:"inheritable"`
	Bounding    []string `json:"bounding"`
	Ambient     []string `json:"ambient"`
	// Securebits are absent for another process: the kernel tells only those of the caller.
	Securebits *[]string `json:"securebits,omitempty"`
	NoNewPrivs bool      `json:"no_new_privs"`
	// Held is set if the inheritable and the ambient set only hold the capabilities for the
	// stages that follow: the payload will not have them.
	Held bool `json:"held_for_the_chain,omitempty"`

	sets [5]uint64
	last int
}

// A Namespace is one of namespaces(7), by the number of its inode. Host says whether it is
// that of the machine, and Caller whether it is that of the caller of the chain or, for
// another process, of the process that looks: "same", "other" or "unknown".
type Namespace struct {
	ID     uint64 `json:"id"`
	Host   string `json:"host"`
	Caller string `json:"caller"`

	// inChain is set if an earlier stage has told the caller's.
	inChain bool
}

// A Mount is a mount that can be reached from the root directory of the process.
type Mount struct {
	// At is the mount point, and From is the directory or the file of the file system that is
	// mounted there.
	At     string `json:"at"`
	From   string `json:"from"`
	Type   string `json:"type"`
	Source string `json:"source"`
	Device string `json:"device"`
	// Options are those of the mount, Super those of its file system, and Propagation is as
	// in /proc/PID/mountinfo.
	Options     []string `json:"options"`
	Super       []string `json:"super"`
	Propagation []string `json:"propagation,omitempty"`
	// Hides are the mount points of the mounts that no path leads to any more because of
	// this one, and Hidden is set for such a mount.
	Hides  []string `json:"hides,omitempty"`
	Hidden bool     `json:"hidden,omitempty"`

	id, parent uint64
}

// Root is where paths start. Directory and Program are seen from the process that looks.
type Root struct {
	Root      string `json:"root,omitempty"`
	Directory string `json:"cwd,omitempty"`
	Program   string `json:"exe,omitempty"`
	Umask     string `json:"umask,omitempty"`
}

// An Amount is a limit; [unix.RLIM_INFINITY] is "unlimited".
type Amount uint64

func (a Amount) String() string {
	if a == unix.RLIM_INFINITY {
		return "unlimited"
	}
	return strconv.FormatUint(uint64(a), 10)
}

// MarshalJSON makes it a number, or "unlimited".
func (a Amount) MarshalJSON() ([]byte, error) {
	if a == unix.RLIM_INFINITY {
		return []byte(`"unlimited"`), nil
	}
	return []byte(a.String()), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (a *Amount) UnmarshalJSON(b []byte) error {
	if string(b) == `"unlimited"` {
		*a = unix.RLIM_INFINITY
		return nil
	}
	return json.Unmarshal(b, (*uint64)(a))
}

// A Limit is a resource limit: getrlimit(2).
type Limit struct {
	Soft Amount `json:"soft"`
	Hard Amount `json:"hard"`
}

// A Cgroup is the process's control group in one hierarchy: cgroups(7).
type Cgroup struct {
	// Controllers is "" for version 2.
	Controllers string `json:"controllers"`
	// Path is seen from the cgroup namespace of the process that looks.
	Path string `json:"path"`
	// Limits are those of the group and of the groups above it that are visible, by their
	// files, the closest one of each name. A limit that is not set is absent.
	Limits []CgroupLimit `json:"limits,omitempty"`
}

// A CgroupLimit is the content of a file of a control group.
type CgroupLimit struct {
	Group string `json:"group"`
	File  string `json:"file"`
	Value string `json:"value"`
}

// Seccomp is the mode of seccomp(2): none, strict or filter. The number of filters is
// known only where there is a procfs.
type Seccomp struct {
	Mode    string `json:"mode"`
	Filters *int   `json:"filters,omitempty"`
	// Contents are what the filters do, the oldest first, if that was asked for and could be
	// read: see [What].
	Contents []FilterContent `json:"contents,omitempty"`
}

// A FilterContent is what a filter does.
type FilterContent struct {
	Instructions int `json:"instructions"`
	// Profile is the name of the built-in profile that it is, or "".
	Profile string `json:"profile,omitempty"`
	// Arches are what it does with the calls of each architecture that this machine runs.
	Arches []ArchContent `json:"arches"`

	code []unix.SockFilter
}

// An ArchContent is what a filter does with the calls of an architecture. Actions are words
// such as allow, errno(EPERM), kill-process.
type ArchContent struct {
	Arch string `json:"arch"`
	// Denied are the calls that are denied whatever their arguments are, by the action, and
	// Conditional those for which the action depends on arguments.
	Denied      map[string][]string `json:"denied"`
	Conditional []string            `json:"conditional"`
	// Allowed is the number of calls that are allowed whatever their arguments are.
	Allowed int `json:"allowed"`
	// Others is the action for numbers that no known call has, or "" if it depends on
	// arguments.
	Others string `json:"others,omitempty"`
}

// Landlock is what is known about landlock(7). No kernel tells whether a process is in a
// domain, or what the domain restricts.
type Landlock struct {
	// ABI is the kernel's; 0 means that there is no Landlock.
	ABI int `json:"abi"`
	// Chain are the flags of the hk-landlock before this stage, one after the other.
	Chain []string `json:"chain,omitempty"`
	// Probe is what was tried.
	Probe []Try `json:"probe,omitempty"`
}

// A Try is an access that was tried: how the permissions of the file decide about it, and
// how the kernel has answered, "ok" or an errno.
type Try struct {
	Path       string `json:"path"`
	Access     string `json:"access"`
	Permission string `json:"permission"`
	Result     string `json:"result"`
}

// denied reports whether something other than the permissions has denied the access.
func (t Try) denied() bool { return t.Permission == "ok" && t.Result == "EACCES" }

// An FD is an open descriptor.
type FD struct {
	FD int `json:"fd"`
	// Kind is file, directory, device, pipe, socket, link or anonymous.
	Kind string `json:"kind"`
	// Target is the path, or what procfs says in its place.
	Target string `json:"target,omitempty"`
	// Access is r, w, rw or path, and CloseOnExec is FD_CLOEXEC.
	Access      string `json:"access,omitempty"`
	CloseOnExec bool   `json:"close_on_exec,omitempty"`
}

// Signals are sets of signals of the first thread: signal(7).
type Signals struct {
	Blocked []string `json:"blocked"`
	Ignored []string `json:"ignored"`
	Caught  []string `json:"caught"`
	Pending []string `json:"pending"`
}

// Session is where the process belongs.
type Session struct {
	PID    int `json:"pid"`
	Parent int `json:"ppid"`
	Group  int `json:"pgrp"`
	ID     int `json:"session"`
	// Terminal is the controlling terminal, "" without one.
	Terminal   *string `json:"terminal,omitempty"`
	Foreground bool    `json:"foreground,omitempty"`
	// ParentDeathSignal and Subreaper are told only of the caller.
	ParentDeathSignal string `json:"pdeathsig,omitempty"`
	Subreaper         *bool  `json:"subreaper,omitempty"`
	Nice              *int   `json:"nice,omitempty"`
	OOMScoreAdj       string `json:"oom_score_adj,omitempty"`
	// Label is of a security module: /proc/PID/attr/current.
	Label string `json:"label,omitempty"`
}

// A Keyring is one of keyrings(7).
type Keyring struct {
	Serial      int    `json:"serial"`
	Description string `json:"description"`
}

// Env is the environment: that of the payload in a chain, and what another process was
// executed with. Values are there only if they were asked for.
type Env struct {
	Names  []string          `json:"names"`
	Values map[string]string `json:"values,omitempty"`
}

// unreadable notes why something could not be read.
func (r *Report) unreadable(what string, err error) {
	if r.Unreadable == nil {
		r.Unreadable = map[string]string{}
	}
	r.Unreadable[what] = reason(err)
	if exhausted(err) && r.lack == nil {
		r.lack = err
	}
}

// reason is the name of an errno and what it means, or the text of another error.
func reason(err error) string {
	var errno unix.Errno
	if errors.As(err, &errno) && unix.ErrnoName(errno) != "" {
		return fmt.Sprintf("%s: %v", unix.ErrnoName(errno), errno)
	}
	return err.Error()
}

// writeJSON writes a report for programs.
func (r *Report) writeJSON(w io.Writer) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(vis.JSON(b), '\n'))
	return err
}
