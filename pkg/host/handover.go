package host

import (
	"fmt"
	"slices"
	"strings"

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
	// Joined means that the mount namespace is an existing one that was joined.
	Joined bool
	// Supervisor is the descriptor of a socket to the supervisor that an earlier stage
	// has left above this process, or 0.
	Supervisor int
	// Unheard means that a filter may deny the calls that a stage makes on that socket.
	Unheard bool
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
	if h.Joined {
		words = append(words, "joined")
	}
	if h.Unheard {
		words = append(words, "unheard")
	}
	if h.Supervisor > 0 {
		words = append(words, fmt.Sprintf("supervisor=%d", h.Supervisor))
	}
	if h.Program != "" {
		words = append(words, programWord+h.Program) // the last: it may hold any byte
	}
	return strings.Join(words, ",")
}

const programWord = "program="

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
		if err != nil || !strings.HasPrefix(p.Path, "/memfd:") {
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

// takeHandover removes the variable from an environment and parses it.
func takeHandover(env []string) ([]string, Handover) {
	var h Handover
	env = slices.DeleteFunc(slices.Clone(env), func(v string) bool {
		text, ok := strings.CutPrefix(v, handoverName+"=")
		if ok {
			text, h.Program, _ = strings.Cut(text, programWord)
		}
		for _, w := range strings.Split(text, ",") {
			switch {
			case !ok:
			case w == "ambient":
				h.Ambient = true
			case w == "net":
				h.Net = true
			case w == "joined":
				h.Joined = true
			case w == "unheard":
				h.Unheard = true
			default:
				if n, _ := fmt.Sscanf(w, "uid=%d", &h.UID); n == 1 {
					h.Unmapped = true
				}
				fmt.Sscanf(w, "gid=%d", &h.GID)
				fmt.Sscanf(w, "supervisor=%d", &h.Supervisor)
			}
		}
		return ok
	})
	return env, h
}
