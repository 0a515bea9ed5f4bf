package why

import (
	"encoding/binary"
	"fmt"
	"strconv"

	"hk/pkg/plan"
	"hk/pkg/ptrace"

	"golang.org/x/sys/unix"
)

// idsOf are the calls that set IDs: which of their arguments are of users, and which of groups.
// Those of chown(2) are in paths.
var idsOf = map[string]struct{ users, groups []int }{
	"setuid": {users: []int{0}}, "setreuid": {users: []int{0, 1}}, "setresuid": {users: []int{0, 1, 2}},
	"setgid": {groups: []int{0}}, "setregid": {groups: []int{0, 1}}, "setresgid": {groups: []int{0, 1, 2}},
	"chown": {[]int{1}, []int{2}}, "lchown": {[]int{1}, []int{2}}, "fchown": {[]int{1}, []int{2}}, "fchownat": {[]int{2}, []int{3}},
}

// allIDs are the flags of hk-idmap that map all that an ordinary user has: all of its flags.
var allIDs = []string{"--auto"}

// unmapped is the reason for EINVAL of a call with an ID that the payload's user namespace does
// not map.
func (f *follower) unmapped(tid int, c ptrace.Call, name string) (r reason, ok bool) {
	if archOf(c) != native() {
		return r, false
	}
	proc := "/proc/" + strconv.Itoa(tid)
	users, groups := readMap(proc+"/uid_map"), readMap(proc+"/gid_map")
	if len(users) == 0 || len(groups) == 0 {
		return r, false
	}
	at := idsOf[name]
	const same = ^uint32(0)
	for _, i := range at.users {
		if id := uint32(c.Args[i]); id != same && !users.HasInside(id) {
			return f.noID(question{kind: "user ID", id: id}), true
		}
	}
	var list []uint32
	for _, i := range at.groups {
		list = append(list, uint32(c.Args[i]))
	}
	if name == "setgroups" {
		list = f.groups(tid, c)
	}
	for _, id := range list {
		if id != same && !groups.HasInside(id) {
			return f.noID(question{kind: "group ID", id: id}), true
		}
	}
	return r, false
}

// groups are those that setgroups(2) is given, as far as they can be read.
func (f *follower) groups(tid int, c ptrace.Call) (list []uint32) {
	const most = 65536 // NGROUPS_MAX
	b := make([]byte, 4*min(c.Args[0], most))
	b = b[:f.tracer.Peek(tid, c.Args[1], b)&^3]
	for ; len(b) > 0; b = b[4:] {
		list = append(list, binary.NativeEndian.Uint32(b))
	}
	return list
}

// noID is the reason for an ID that is not mapped.
func (s *subject) noID(q question) reason {
	r := reason{class: byMap, verdict: denied, what: fmt.Sprintf("%s %d is not mapped in the payload's user namespace", q.kind, q.id), question: q}
	if s.state.NS.New&unix.CLONE_NEWUSER == 0 {
		r.class = notSandbox
		return r
	}
	r.stage, r.flags = "hk-idmap", allIDs
	return r
}

// mapping answers a question about an ID in the payload's user namespace, from the plan.
func (s *subject) mapping(q question) []reason {
	has := s.state.NS.HasUser
	if q.kind == "group ID" {
		has = s.state.NS.HasGroup
	}
	if has != nil && has(q.id) {
		return nil
	}
	return []reason{s.noID(q)}
}

// noGroups is the reason for which setgroups(2) fails with capabilities, if that is it.
func (s *subject) noGroups() (list []reason) {
	if !s.state.SetgroupsDenied() {
		return nil
	}
	r := reason{class: byMap, verdict: denied, what: "setgroups(2) is denied in the payload's user namespace"}
	if s.state.NS.New&unix.CLONE_NEWUSER == 0 {
		r.class = notSandbox
		return []reason{r}
	}
	r.stage, r.flags, r.elsewhere = "hk-idmap", []string{"--setgroups", "allow"}, [][]string{allIDs}
	return []reason{r}
}

// A kindOfNS is a type of namespaces: its flag, its flag of hk-unshare, and its name.
type kindOfNS struct {
	flag       uint64
	word, name string
}

var (
	utsNS   = kindOfNS{unix.CLONE_NEWUTS, "--uts", "UTS"}
	mountNS = kindOfNS{unix.CLONE_NEWNS, "--mount", "mount"}
	pidNS   = kindOfNS{unix.CLONE_NEWPID, "--pid", "PID"}
	netNS   = kindOfNS{unix.CLONE_NEWNET, "--net", "network"}
	ipcNS   = kindOfNS{unix.CLONE_NEWIPC, "--ipc", "IPC"}
)

// changes are the namespaces that a call changes, over whose user namespaces it takes a
// capability.
func (f *follower) changes(tid int, c ptrace.Call, name string) []kindOfNS {
	switch name {
	case "sethostname", "setdomainname":
		return []kindOfNS{utsNS}
	case "socket":
		return []kindOfNS{netNS}
	case "mount", "fsopen":
		fs, _ := f.tracer.PeekString(tid, c.Args[map[string]int{"mount": 2, "fsopen": 0}[name]])
		return append([]kindOfNS{mountNS}, map[string][]kindOfNS{"proc": {pidNS}, "sysfs": {netNS}, "mqueue": {ipcNS}}[fs]...)
	case "umount2", "pivot_root", "open_tree", "move_mount", "fsmount", "mount_setattr", "chroot":
		return []kindOfNS{mountNS}
	}
	return nil
}

// notOwned is what is refused of a change of namespaces that the payload's user namespace does
// not own, whatever capabilities it has there.
func (s *subject) notOwned(q question) (list []reason) {
	ns := s.state.NS
	if ns.New&unix.CLONE_NEWUSER == 0 {
		return nil
	}
	for _, k := range q.changes {
		if ns.Entered(k.flag) {
			continue
		}
		list = append(list, reason{class: byCapability, verdict: denied, stage: "hk-unshare", flags: words(q.changes, ns.New|ns.Joined),
			what: fmt.Sprintf("it takes %s over the %s namespace, and the payload has it only over those that were created with its user namespace", plan.CapName(q.bit), k.name)})
	}
	return list
}

// words are the flags for the namespaces that there are not.
func words(list []kindOfNS, has uint64) (flags []string) {
	for _, k := range list {
		if has&k.flag == 0 {
			flags = append(flags, k.word)
		}
	}
	return flags
}
