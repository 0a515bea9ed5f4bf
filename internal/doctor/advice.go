package doctor

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"hk/pkg/cause"
	"hk/pkg/host"

	"github.com/moby/sys/user"
	"golang.org/x/sys/unix"
)

// advise says the remedy for a cause on this machine, where that of the cause would not do.
func advise(h *host.Host, c cause.Name) int {
	if text := remedy(h, c); text != "" {
		say(line{Note: text})
	}
	return 0
}

func remedy(h *host.Host, c cause.Name) string {
	switch c {
	case cause.SubidMissing:
		return moreIDs(h)
	case cause.NewuidmapPrivilege:
		if !h.UserNS() || rootHasID() {
			return ""
		}
		return "start the chain outside of this user namespace, which has no number for root, or map only your own IDs with hk-idmap --self or --root"
	case cause.CgroupDelegation:
		if _, err := os.Stat("/run/systemd/system"); err == nil {
			return "" // systemd runs
		}
		if !h.CgroupV2() {
			return "as root, make a directory in each hierarchy that is used, such as /sys/fs/cgroup/pids/NAME, give it and its cgroup.procs to the user, and name it with hk-limit --cgroup"
		}
		return "as root, make a directory below /sys/fs/cgroup, enable the controllers above it, give it and its cgroup.procs and cgroup.subtree_control to the user, start the shell in a cgroup below it, and name it with hk-limit --cgroup"
	}
	return ""
}

// rootHasID reports whether the root of the machine can have a number here: the owner of /proc
// is that root.
func rootHasID() bool {
	var st unix.Stat_t
	return unix.Stat("/proc/sys", &st) == nil && st.Uid == 0
}

// callerName is the name of the caller, or the number.
func callerName(h *host.Host) string {
	if u, err := user.LookupUid(int(h.UID)); err == nil {
		return u.Name
	}
	return strconv.FormatUint(uint64(h.UID), 10)
}

// moreIDs is how subordinate IDs are had that nobody else has.
func moreIDs(h *host.Host) string {
	first := uint64(100000) // as of useradd(8)
	for _, kind := range []string{"uid", "gid"} {
		text, err := os.ReadFile("/etc/sub" + kind)
		if err != nil {
			continue
		}
		for l := range strings.Lines(string(text)) {
			f := strings.Split(strings.TrimSpace(l), ":")
			if len(f) != 3 {
				continue
			}
			from, err := strconv.ParseUint(f[1], 10, 32)
			count, err2 := strconv.ParseUint(f[2], 10, 32)
			if err == nil && err2 == nil {
				first = max(first, from+count)
			}
		}
	}
	const count = 65536
	if first+count > 1<<32-1 {
		return ""
	}
	rangeText := fmt.Sprintf("%d-%d", first, first+count-1)
	text := fmt.Sprintf("as root, usermod --add-subuids %s --add-subgids %s %s", rangeText, rangeText, callerName(h))
	if h.Effective>>unix.CAP_SETUID&1 != 0 && !h.UserNS() {
		text += ", or map any IDs with hk-idmap --uid 0:100000:65536 --gid 0:100000:65536"
	}
	return text
}
