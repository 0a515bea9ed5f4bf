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

const setgroupsHint = "setgroups(2) needs CAP_SETGID; --groups keep leaves the groups alone"

// Setgroups is setgroups(2) of a list that is known.
func Setgroups(gids []uint32) Op {
	b := []byte{}
	for _, g := range gids {
		b = binary.NativeEndian.AppendUint32(b, g)
	}
	m := &Mem{bytes: b, text: func() string {
		text := make([]string, len(gids))
		for i, g := range gids {
			text[i] = fmt.Sprint(g)
		}
		return "[" + strings.Join(text, ", ") + "]"
	}}
	return SetgroupsFrom(Int(int64(len(gids))), m)
}

// SetgroupsFrom is setgroups(2) of a list that an outside step leaves in m.
func SetgroupsFrom(n Arg, m *Mem) Op {
	return Op{Name: "setgroups", nr: unix.SYS_SETGROUPS, Args: []Arg{n, Ptr(m)}}.
		Hint(unix.EPERM, setgroupsHint).
		Hint(unix.EINVAL, "a supplementary group is not mapped in this user namespace: see hk-idmap(1)")
}

// LandlockRights prints the sets of rights of Landlock: those on files, on TCP,
// and scopes.
type LandlockRights struct {
	FS, Net, Scope func(uint64) string
}

// CreateRuleset is landlock_create_ruleset(2) with the fields of struct
// landlock_ruleset_attr up to scoped (Linux 6.12) as far as they are not 0:
// older kernels know a shorter struct.
func (l LandlockRights) CreateRuleset(fs, net, scoped uint64) Op {
	s := (&structure{}).u64(fs)
	if net != 0 || scoped != 0 {
		s.u64(net)
	}
	if scoped != 0 {
		s.u64(scoped)
	}
	m := s.is(func() string {
		text := "handled_access_fs=" + l.FS(fs)
		if net != 0 || scoped != 0 {
			text += ", handled_access_net=" + l.Net(net)
		}
		if scoped != 0 {
			text += ", scoped=" + l.Scope(scoped)
		}
		return "{" + text + "}"
	})
	return Op{Name: "landlock_create_ruleset", nr: unix.SYS_LANDLOCK_CREATE_RULESET,
		Args: []Arg{Ptr(m), Int(int64(len(m.bytes))), Int(0)}}
}

// AllowPath is landlock_add_rule(2) for the file hierarchy at dir.
func (l LandlockRights) AllowPath(ruleset, dir *Result, access uint64) Op {
	m := (&structure{}).u64(access).result32(dir).is(func() string {
		return fmt.Sprintf("{allowed_access=%s, parent_fd=%v}", l.FS(access), dir)
	})
	return addRule(ruleset, Sym("LANDLOCK_RULE_PATH_BENEATH", unix.LANDLOCK_RULE_PATH_BENEATH), m)
}

// AllowFD is the same for a descriptor whose number is known.
func (l LandlockRights) AllowFD(ruleset *Result, fd int, access uint64) Op {
	m := (&structure{}).u64(access).u32(uint32(fd)).is(func() string {
		return fmt.Sprintf("{allowed_access=%s, parent_fd=%d}", l.FS(access), fd)
	})
	return addRule(ruleset, Sym("LANDLOCK_RULE_PATH_BENEATH", unix.LANDLOCK_RULE_PATH_BENEATH), m)
}

// AllowPort is landlock_add_rule(2) for a TCP port.
func (l LandlockRights) AllowPort(ruleset *Result, port uint16, access uint64) Op {
	m := (&structure{}).u64(access).u64(uint64(port)).is(func() string {
		return fmt.Sprintf("{allowed_access=%s, port=%d}", l.Net(access), port)
	})
	return addRule(ruleset, Sym("LANDLOCK_RULE_NET_PORT", 2), m)
}

func addRule(ruleset *Result, kind Arg, rule *Mem) Op {
	return Op{Name: "landlock_add_rule", nr: unix.SYS_LANDLOCK_ADD_RULE,
		Args: []Arg{Ref(ruleset), kind, Ptr(rule), Int(0)}}
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
	code := &Mem{bytes: make([]byte, 0, 8*len(prog))}
	for _, i := range prog {
		code.bytes = binary.NativeEndian.AppendUint16(code.bytes, i.Code)
		code.bytes = append(code.bytes, i.Jt, i.Jf)
		code.bytes = binary.NativeEndian.AppendUint32(code.bytes, i.K)
	}
	// The length is 16 bits, padded.
	m := (&structure{}).u64(uint64(len(prog))).pointer(code).is(func() string { return fmt.Sprintf("{len=%d}", len(prog)) })
	return Op{Name: "seccomp", nr: unix.SYS_SECCOMP,
		Args: []Arg{Sym("SECCOMP_SET_MODE_FILTER", unix.SECCOMP_SET_MODE_FILTER), Int(0), Ptr(m)}}.
		Hint(unix.EACCES, "loading a filter without no_new_privs needs CAP_SYS_ADMIN").
		Hint(unix.EINVAL, "the kernel refuses the filter")
}
