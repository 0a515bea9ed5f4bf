package plan

import (
	"fmt"

	"hk/pkg/cause"

	landlock "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// LandlockRights prints Landlock's sets of bits: access rights on files and on ports,
// scopes, and the flags of landlock_restrict_self(2).
type LandlockRights struct {
	FS, Net, Scope, Restrict func(uint64) string
}

// CreateRuleset is landlock_create_ruleset(2) with the fields of struct
// landlock_ruleset_attr up to scoped (Linux 6.12), as far as they are not 0: older
// kernels have a shorter struct.
func (l LandlockRights) CreateRuleset(fs, net, scoped uint64) *Op {
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
	return call("landlock_create_ruleset", unix.SYS_LANDLOCK_CREATE_RULESET, Ptr(m), Int(int64(len(m.bytes))), Int(0))
}

// AllowPath is landlock_add_rule(2) for the file hierarchy at dir.
func (l LandlockRights) AllowPath(ruleset, dir *Result, access uint64) *Op {
	m := (&structure{}).u64(access).result32(dir).is(func() string {
		return fmt.Sprintf("{allowed_access=%s, parent_fd=%v}", l.FS(access), dir)
	})
	return addRule(ruleset, Const("LANDLOCK_RULE_PATH_BENEATH", unix.LANDLOCK_RULE_PATH_BENEATH), m)
}

// AllowPort is landlock_add_rule(2) for a port.
func (l LandlockRights) AllowPort(ruleset *Result, port uint16, access uint64) *Op {
	m := (&structure{}).u64(access).u64(uint64(port)).is(func() string {
		return fmt.Sprintf("{allowed_access=%s, port=%d}", l.Net(access), port)
	})
	// Of the enum, x/sys has only the first.
	return addRule(ruleset, Const("LANDLOCK_RULE_NET_PORT", landlock.RuleTypeNetPort), m)
}

func addRule(ruleset *Result, kind Arg, rule *Buffer) *Op {
	return call("landlock_add_rule", unix.SYS_LANDLOCK_ADD_RULE, Ref(ruleset), kind, Ptr(rule), Int(0))
}

// RestrictSelf is landlock_restrict_self(2) on the calling thread. flags other
// than 0 need ABI 7 (Linux 6.15).
func (l LandlockRights) RestrictSelf(ruleset *Result, flags uint64) *Op {
	return call("landlock_restrict_self", unix.SYS_LANDLOCK_RESTRICT_SELF, Ref(ruleset), Value(flags, l.Restrict)).
		Because(unix.E2BIG, cause.LandlockDepth, "the process is already in 16 nested Landlock domains, including those of the caller")
}
