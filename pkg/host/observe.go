package host

import (
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ObservedName and ObservedParentName are the variables with which a process that was
// created to show what holds for its parent gets the number of that, and of the parent of
// that: they are known only when the plan is performed.
const (
	ObservedName       = "HK_OBSERVED"
	ObservedParentName = "HK_OBSERVED_PARENT"
)

// takeObserved removes these variables from the environment.
func (h *Handover) takeObserved(env []string) []string {
	return slices.DeleteFunc(env, func(v string) bool {
		name, value, _ := strings.Cut(v, "=")
		n, _ := strconv.Atoi(value)
		switch name {
		case ObservedName:
			h.Observed = n
		case ObservedParentName:
			h.ObservedParent = n
		default:
			return false
		}
		return true
	})
}

// observe makes this process die with its parent, and describes that one in its place. If
// it has ended, Observed is not set any more.
func (h *Host) observe() {
	if !h.Handover.Observes {
		return
	}
	// Execve(2) has removed the signal if this process gained capabilities.
	err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
	if err != nil || h.Parent != h.Handover.Observed || unix.Getppid() != h.Parent {
		h.Handover.Observed = 0
		return
	}
	h.PID, h.Parent, h.ParentDeathSignal = h.Handover.Observed, h.Handover.ObservedParent, h.Handover.ObservedDies
}
