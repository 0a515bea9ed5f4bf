package host

import (
	"fmt"
	"slices"
	"strings"

	"hk/pkg/getopt"

	"golang.org/x/sys/unix"
)

// handoverName is the environment variable in which stages that execute one another, in
// a chain that is not fused, tell the next one what it cannot find out. It is not
// passed to the payload.
const handoverName = "HK_CHAIN"

// A Handover is what a stage is told by the stage that executed it.
type Handover struct {
	// UID and GID are the caller's IDs outside a user namespace that has no map yet, in
	// which every ID appears as 65534.
	UID, GID uint32
	// Unmapped means that there is such a namespace, and that UID and GID are set.
	Unmapped bool
	// Ambient means that all capabilities were made ambient so that the following
	// stages have them, and that the last stage must drop them.
	Ambient bool
	// Net means that the chain has created the network namespace.
	Net bool
	// PIDs means that the chain has created the PID namespace.
	PIDs bool
	// Joined means that the mount namespace is an existing one that was joined.
	Joined bool
	// Mounts means that the chain has created the mount namespace.
	Mounts bool
	// Propagation is slave, shared or unchanged if that was asked for the mounts of the
	// mount namespace that the chain has created; otherwise "".
	Propagation string
	// Supervisor is the descriptor of a socket to the supervisor that an earlier stage
	// has left above this process, or 0.
	Supervisor int
	// NoUser means that a user namespace was asked for only if possible, and that there is
	// none.
	NoUser bool
	// Argv0 is what the payload gets as its first argument in place of its name, or "".
	Argv0 string
	// Unheard means that a filter may deny the calls that a stage makes on that socket.
	Unheard bool
	// Quiet means that no warnings are written to standard error.
	Quiet bool
	// Origins are the namespaces in which the chain was started, for [ParseOrigins], and
	// Landlock is a list of the flags of each hk-landlock so far. Both are "" unless a stage
	// that shows them follows.
	Origins, Landlock string
	// Observes means that this process was created only to show what holds for its parent,
	// which is Observed, a child of ObservedParent that gets the signal ObservedDies when that
	// ends, or 0.
	Observes                 bool
	Observed, ObservedParent int
	ObservedDies             unix.Signal
	// Search is how the stages after the next one are found, or nil if the environment
	// says it.
	Search *Search
	// Program is the path of the program of which this process is a sealed copy, or "".
	Program string
}

func (h Handover) String() string {
	var words []string
	if h.Unmapped {
		words = append(words, fmt.Sprintf("uid=%d", h.UID), fmt.Sprintf("gid=%d", h.GID))
	}
	if h.Ambient {
		words = append(words, "ambient")
	}
	if h.Net {
		words = append(words, "net")
	}
	if h.PIDs {
		words = append(words, "pid")
	}
	if h.Joined {
		words = append(words, "joined")
	}
	if h.Mounts {
		words = append(words, "mnt")
	}
	if h.Propagation != "" {
		words = append(words, propagationWord+h.Propagation)
	}
	if h.NoUser {
		words = append(words, "nouser")
	}
	if h.Argv0 != "" {
		words = append(words, "argv0="+string(getopt.Escape(h.Argv0, ",=")))
	}
	if h.Origins != "" {
		words = append(words, "origins="+string(getopt.Escape(h.Origins, ",=")))
	}
	if h.Landlock != "" {
		words = append(words, "landlock="+string(getopt.Escape(h.Landlock, ",=")))
	}
	if h.Observes {
		words = append(words, "observes", fmt.Sprintf("dies=%d", h.ObservedDies))
	}
	if h.Unheard {
		words = append(words, "unheard")
	}
	if h.Quiet {
		words = append(words, "quiet")
	}
	if h.Supervisor > 0 {
		words = append(words, fmt.Sprintf("supervisor=%d", h.Supervisor))
	}
	if h.Search != nil {
		words = append(words, "path="+string(getopt.Escape(h.Search.Path, ",=")))
		if !h.Search.Fuse {
			words = append(words, "unfused")
		}
	}
	if h.Program != "" {
		words = append(words, programWord+h.Program) // the last: it may hold any byte
	}
	return strings.Join(words, ",")
}

const (
	programWord     = "program="
	propagationWord = "propagation="
)

// Variable is the entry for the environment, or "" if there is nothing to hand over.
func (h Handover) Variable() string {
	if s := h.String(); s != "" {
		return handoverName + "=" + s
	}
	return ""
}

// held is the part of a handover that the kernel does not contradict, since the caller
// could set the variable.
func (h Handover) held(host *Host) Handover {
	// In a user namespace without maps all IDs look the same, and there is no user ID
	// 0: nothing else says what the IDs outside were.
	if h.Unmapped = !host.Mapped(); !h.Unmapped {
		h.UID, h.GID = 0, 0
	}
	h.Ambient = h.Ambient && host.Permitted != 0 && host.Ambient == host.Permitted
	h.Net = h.Net && !initialNet()
	if !takeSupervisor(h.Supervisor) {
		h.Supervisor = 0
	}
	if h.Program != "" {
		p, err := program()
		if err != nil || !InMemory(p.Path) {
			h.Program = ""
		}
	}
	return h
}

// takeSupervisor reports whether fd may be a socket to a supervisor. From then on only
// a stage that is told about the socket inherits it, and no program does if a filter
// loaded earlier prevents the check.
func takeSupervisor(fd int) bool {
	if fd <= 2 {
		return false
	}
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err == nil && domain != unix.AF_UNIX {
		return false
	}
	kind, err2 := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err2 == nil && kind != unix.SOCK_SEQPACKET {
		return false
	}
	if _, e := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); e != nil {
		unix.Close(fd)
		return false
	}
	return err == nil && err2 == nil
}

// spareFD is a descriptor that is not open and that no plan will use, or 0: descriptors
// are allocated from 0 on. limit is RLIMIT_NOFILE.
func spareFD(limit uint64) int {
	for fd := int(min(limit, 1024)) - 1; fd >= 128; fd-- {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
			return fd
		}
	}
	return 0
}

func (h *Handover) search() *Search {
	if h.Search == nil {
		h.Search = &Search{Fuse: true}
	}
	return h.Search
}

// Inherited is the environment with which a program of hk is executed without the handover,
// and that.
func Inherited(env []string) ([]string, Handover) { return takeHandover(env) }

// takeHandover removes the variable from an environment and parses it.
func takeHandover(env []string) ([]string, Handover) {
	var h Handover
	env = slices.DeleteFunc(slices.Clone(env), func(v string) bool {
		text, ok := strings.CutPrefix(v, handoverName+"=")
		if ok {
			text, h.Program, _ = strings.Cut(text, programWord)
		}
		for _, field := range getopt.Value(text).Split(',') {
			w := field.Text()
			switch {
			case !ok:
			case strings.HasPrefix(w, "path="):
				h.search().Path = w[len("path="):]
			case w == "unfused":
				h.search().Fuse = false
			case w == "ambient":
				h.Ambient = true
			case w == "net":
				h.Net = true
			case w == "pid":
				h.PIDs = true
			case w == "mnt":
				h.Mounts = true
			case w == "joined":
				h.Joined = true
			case w == propagationWord+"slave", w == propagationWord+"shared", w == propagationWord+"unchanged":
				h.Propagation = w[len(propagationWord):]
			case w == "nouser":
				h.NoUser = true
			case strings.HasPrefix(w, "argv0="):
				h.Argv0 = w[len("argv0="):]
			case strings.HasPrefix(w, "origins="):
				h.Origins = w[len("origins="):]
			case strings.HasPrefix(w, "landlock="):
				h.Landlock = w[len("landlock="):]
			case w == "observes":
				h.Observes = true
			case w == "unheard":
				h.Unheard = true
			case w == "quiet":
				h.Quiet = true
			default:
				if n, _ := fmt.Sscanf(w, "uid=%d", &h.UID); n == 1 {
					h.Unmapped = true
				}
				fmt.Sscanf(w, "dies=%d", &h.ObservedDies)
				fmt.Sscanf(w, "gid=%d", &h.GID)
				fmt.Sscanf(w, "supervisor=%d", &h.Supervisor)
			}
		}
		return ok
	})
	if h.Observes {
		env = h.takeObserved(env)
	}
	return env, h
}
