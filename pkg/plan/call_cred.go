package plan

import (
	"encoding/binary"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Setresuid is setresuid(2) with one id for all three.
func Setresuid(uid Arg) Op {
	return Op{Name: "setresuid", nr: unix.SYS_SETRESUID, Args: []Arg{uid, uid, uid}}.
		Hint(unix.EINVAL, "the user id is not mapped in this user namespace: see hk-idmap(1)").
		Hint(unix.EPERM, "changing ids needs CAP_SETUID")
}

// Setresgid is setresgid(2) with one id for all three.
func Setresgid(gid Arg) Op {
	return Op{Name: "setresgid", nr: unix.SYS_SETRESGID, Args: []Arg{gid, gid, gid}}.
		Hint(unix.EINVAL, "the group id is not mapped in this user namespace: see hk-idmap(1)").
		Hint(unix.EPERM, "changing ids needs CAP_SETGID")
}

const setgroupsHint = "setgroups(2) is denied in a user namespace whose group map an ordinary user wrote; map with newgidmap (hk-idmap --auto) or, as root, with hk-idmap --setgroups allow; or keep the groups: --groups keep"

// Setgroups is setgroups(2) of a list that is known.
func Setgroups(gids []uint32) Op {
	b := []byte{}
	text := make([]string, len(gids))
	for i, g := range gids {
		b = binary.NativeEndian.AppendUint32(b, g)
		text[i] = fmt.Sprint(g)
	}
	m := &Mem{text: "[" + strings.Join(text, ", ") + "]", bytes: b}
	return SetgroupsFrom(Int(int64(len(gids))), m)
}

// SetgroupsFrom is setgroups(2) of a list that an outside step leaves in m.
func SetgroupsFrom(n Arg, m *Mem) Op {
	return Op{Name: "setgroups", nr: unix.SYS_SETGROUPS, Args: []Arg{n, Ptr(m)}}.
		Hint(unix.EPERM, setgroupsHint).
		Hint(unix.EINVAL, "a supplementary group is not mapped in this user namespace: see hk-idmap(1)")
}

// LandlockCreateRuleset is landlock_create_ruleset(2) with the fields of struct
// landlock_ruleset_attr up to scoped (Linux 6.12) as far as they are not 0:
// older kernels know a shorter struct.
func LandlockCreateRuleset(fs, net, scoped uint64, fsText, netText, scopedText string) Op {
	s := (&structure{}).u64(fs)
	text := "handled_access_fs=" + fsText
	if net != 0 || scoped != 0 {
		s.u64(net)
		text += ", handled_access_net=" + netText
	}
	if scoped != 0 {
		s.u64(scoped)
		text += ", scoped=" + scopedText
	}
	m := s.is("{" + text + "}")
	return Op{Name: "landlock_create_ruleset", nr: unix.SYS_LANDLOCK_CREATE_RULESET,
		Args: []Arg{Ptr(m), Int(int64(len(m.bytes))), Int(0)}}
}

// LandlockAllowPath is landlock_add_rule(2) for the file hierarchy at dir.
func LandlockAllowPath(ruleset, dir *Result, access uint64, accessText string) Op {
	s := (&structure{}).u64(access).result32(dir)
	m := s.is("{allowed_access=" + accessText + ", parent_fd=%s}")
	return Op{Name: "landlock_add_rule", nr: unix.SYS_LANDLOCK_ADD_RULE,
		Args: []Arg{Ref(ruleset), Sym("LANDLOCK_RULE_PATH_BENEATH", unix.LANDLOCK_RULE_PATH_BENEATH), Ptr(m), Int(0)}}
}

// LandlockAllowFD is the same for a descriptor whose number is known.
func LandlockAllowFD(ruleset *Result, fd int, access uint64, accessText string) Op {
	s := (&structure{}).u64(access).u32(uint32(fd))
	m := s.is(fmt.Sprintf("{allowed_access=%s, parent_fd=%d}", accessText, fd))
	return Op{Name: "landlock_add_rule", nr: unix.SYS_LANDLOCK_ADD_RULE,
		Args: []Arg{Ref(ruleset), Sym("LANDLOCK_RULE_PATH_BENEATH", unix.LANDLOCK_RULE_PATH_BENEATH), Ptr(m), Int(0)}}
}

// LandlockAllowPort is landlock_add_rule(2) for a TCP port.
func LandlockAllowPort(ruleset *Result, port uint16, access uint64, accessText string) Op {
	m := (&structure{}).u64(access).u64(uint64(port)).is(fmt.Sprintf("{allowed_access=%s, port=%d}", accessText, port))
	return Op{Name: "landlock_add_rule", nr: unix.SYS_LANDLOCK_ADD_RULE,
		Args: []Arg{Ref(ruleset), Sym("LANDLOCK_RULE_NET_PORT", 2), Ptr(m), Int(0)}}
}

// LandlockRestrictSelf is landlock_restrict_self(2) on the calling thread.
func LandlockRestrictSelf(ruleset *Result) Op {
	return Op{Name: "landlock_restrict_self", nr: unix.SYS_LANDLOCK_RESTRICT_SELF, Args: []Arg{Ref(ruleset), Int(0)}}.
		Hint(unix.E2BIG, "16 Landlock domains are stacked already")
}

// A SockFilter is one instruction of classic BPF.
type SockFilter = unix.SockFilter

// SeccompFilter is seccomp(SECCOMP_SET_MODE_FILTER) on the calling thread.
func SeccompFilter(prog []SockFilter) Op {
	code := &structure{}
	for _, i := range prog {
		code.u16(i.Code)
		code.bytes = append(code.bytes, i.Jt, i.Jf)
		code.u32(i.K)
	}
	s := (&structure{}).u64(uint64(len(prog))) // the length is 16 bits, padded
	m := s.pointer(&code.Mem).is(fmt.Sprintf("{len=%d}", len(prog)))
	return Op{Name: "seccomp", nr: unix.SYS_SECCOMP,
		Args: []Arg{Sym("SECCOMP_SET_MODE_FILTER", unix.SECCOMP_SET_MODE_FILTER), Int(0), Ptr(m)}}.
		Hint(unix.EACCES, "loading a filter without no_new_privs needs CAP_SYS_ADMIN").
		Hint(unix.EINVAL, "the kernel refuses the filter")
}
