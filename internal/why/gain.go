package why

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"

	"hk/pkg/ptrace"

	"golang.org/x/sys/unix"
)

// A gain is what the file of a program gives to whoever executes it, and why it does not.
type gain struct {
	path string
	// mark is what the file has, or "" if it has nothing or that has had its effect.
	mark                         string
	unmapped, noNewPrivs, nosuid bool
}

// lost looks at the program that a thread has just executed.
func lost(tid int) (g gain) {
	proc := "/proc/" + strconv.Itoa(tid)
	var st unix.Stat_t
	var fs unix.Statfs_t
	id, err := identify(proc)
	status, err2 := ptrace.ReadStatus(proc)
	if err != nil || err2 != nil || unix.Stat(proc+"/exe", &st) != nil || unix.Statfs(proc+"/exe", &fs) != nil {
		return g
	}
	attr, _ := unix.Getxattr(proc+"/exe", "security.capability", nil)
	switch {
	case st.Mode&unix.S_ISUID != 0 && id.effective != st.Uid:
		g.mark, g.unmapped = "the set-user-ID bit has", !readMap(proc+"/uid_map").Has(st.Uid)
	case st.Mode&(unix.S_ISGID|unix.S_IXGRP) == unix.S_ISGID|unix.S_IXGRP && id.group != st.Gid:
		g.mark, g.unmapped = "the set-group-ID bit has", !readMap(proc+"/gid_map").Has(st.Gid)
	case attr > 0 && id.caps == 0:
		g.mark = "the file capabilities have"
	}
	g.path, _ = os.Readlink(proc + "/exe")
	g.noNewPrivs, g.nosuid = slices.Equal(status.Field("NoNewPrivs"), []string{"1"}), fs.Flags&unix.ST_NOSUID != 0
	return g
}

// gains tells why a program that was executed gains nothing although its file says so: no call
// fails for that.
func (f *follower) gains(tid int) {
	g, _ := patiently(f, func() gain { return lost(tid) })
	if g.mark == "" {
		return
	}
	r := reason{class: byNoGain, verdict: denied}
	what := "the caller has set no_new_privs"
	switch by := cmp.Or(f.state.CallerNoNewPrivs, f.state.NoNewPrivsBy()); {
	case g.unmapped:
		r.class, what = byMap, "its owner is not mapped in the payload's user namespace"
	case g.noNewPrivs && by != "":
		what = by + " sets no_new_privs"
	case g.noNewPrivs:
		r.class = notSandbox
	case g.nosuid:
		r.class, what = byNosuid, "it is on a mount with nosuid"
	default:
		r.class, r.verdict, what = unseen, unknown, "the program is followed"
	}
	r.what = g.mark + " no effect: " + what
	f.tellCall(tid, fmt.Sprintf("execve(%q) = 0", g.path), question{}, r)
}
