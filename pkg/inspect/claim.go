package inspect

import (
	"fmt"
	"slices"
	"strings"
)

// claimants says who can have written the command line of a supervisor of which the program is
// not known, or is "" if the kernel does not tell. Preconditions: it is in the mount namespace
// of this process.
//
// A filter and a Landlock domain need no_new_privs or CAP_SYS_ADMIN, and neither can be given up.
// An ordinary user has that capability in a user namespace alone, which is not left either.
func (l *level) claimants() string {
	a := l.above
	if a == nil || a.IDs == nil || a.Caps == nil || a.Seccomp == nil || a.Seccomp.Filters == nil {
		return ""
	}
	// The same map is not the same namespace, but no ordinary user can map all IDs.
	same := a.Namespaces["user"].Caller == "same" || slices.Equal(a.IDs.UIDMap, []string{"0:0:4294967295"})
	if a.Caps.NoNewPrivs || *a.Seccomp.Filters > 0 || !same {
		return ""
	}
	return fmt.Sprintf("It has no filter and may gain privileges, in the user and the mount namespace of this process, so it is in no sandbox that an ordinary user can make: user %d outside of such a sandbox, or root, has started it", a.IDs.UID.Real)
}

// writeUntold says what was not compared.
func (l *level) writeUntold(b *strings.Builder) {
	only := ""
	if l.sup.Unsure != "" {
		only = ", and so only said"
	}
	if len(l.untold) > 0 {
		comment(b, "Not compared"+only+": "+strings.Join(slices.Compact(l.untold), ", "))
	}
}

// writeUnsure says what is not known of the words, and who may have written them.
func (l *level) writeUnsure(b *strings.Builder) {
	s := l.sup
	switch {
	case s.Unsure == "":
		return
	case s.library != "":
		comment(b, s.Unsure+": it, or whoever has started it, may have written other words there")
		return
	}
	comment(b, s.Unsure+": whoever has started it may have written other words there")
	if who := l.claimants(); who != "" && l.holds() {
		comment(b, who)
	}
}
