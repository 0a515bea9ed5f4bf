package host

import (
	"errors"
	"path"

	"golang.org/x/sys/unix"
)

// A Caller is another process, in the namespaces of this one, that has started a chain.
type Caller struct {
	UID, GID uint32
	// Env is its environment, and Dir its working directory, or "" if that is not known.
	Env []string
	Dir string
	// The capability sets, and the no_new_privs attribute.
	Permitted, Effective, Inheritable, Bounding, Ambient uint64
	NoNewPrivs                                           bool
	// Groups reports whether it has supplementary groups.
	Groups bool
	// Rlimit returns its soft and hard limit for a resource.
	Rlimit func(resource int) (soft, hard uint64)
}

// As describes the machine for another caller: what a plan of a chain that it has started
// depends on. Files are looked up by this process. What a stage has left to another one is
// an error, because only the caller of a whole chain is described.
func (h *Host) As(c Caller) (*Host, error) {
	as := *h
	as.UID, as.GID, as.Dir = c.UID, c.GID, c.Dir
	as.files()
	var given Handover
	as.Env, given = takeHandover(c.Env)
	given.Program, given.Quiet = "", false
	if given != (Handover{}) {
		return nil, errors.New("it was executed by an earlier stage of a chain")
	}
	as.Handover = Handover{}
	as.Permitted, as.Effective, as.Inheritable, as.Bounding, as.Ambient = c.Permitted, c.Effective, c.Inheritable, c.Bounding, c.Ambient
	as.NoNewPrivs = c.NoNewPrivs
	as.DropsGroups = as.Effective>>unix.CAP_SETGID&1 != 0 && c.Groups && !as.NoSetgroups()
	as.Parent, as.ParentDeathSignal, as.SelfFD = 0, 0, -1
	as.Rlimit, as.Raised = c.Rlimit, nil
	as.TTY = func() string { return "" }
	as.Descriptor = func(int) (Descriptor, error) { return Descriptor{}, errNotReadAgain }
	as.FDInfo = func(int) (string, error) { return "", errNotReadAgain }
	as.relative()
	return &as, nil
}

var errNotReadAgain = errors.New("a descriptor of its caller cannot be looked at")

// relative refuses relative paths if the working directory is not known, and looks others up
// from there.
func (h *Host) relative() {
	look, dir := h.Look, h.Dir
	h.Look = func(p string) (Found, error) {
		switch {
		case path.IsAbs(p):
			return look(p)
		case dir == "":
			return Found{}, errors.New("it is relative to a working directory that cannot be looked at")
		}
		return look(dir + "/" + p)
	}
	h.DirNamed = func() bool { return dir != "" }
}
