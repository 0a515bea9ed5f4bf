package plan

import (
	"fmt"
	"strings"

	"hk/pkg/cause"

	"github.com/moby/sys/capability"
	"golang.org/x/sys/unix"
)

// CapName is a capability's name in capabilities(7).
func CapName(c int) string { return "CAP_" + strings.ToUpper(capability.Cap(c).String()) }

func capText(c uint64) string { return CapName(int(c)) }

// CapNames are the names of a set, for a message.
func CapNames(set uint64) string {
	var names []string
	for c := range 64 {
		if set>>c&1 != 0 {
			names = append(names, CapName(c))
		}
	}
	return strings.Join(names, ", ")
}

// CapSetText prints a capability set as strace does.
func CapSetText(set uint64) string {
	return FlagText(set, func(yield func(uint64, string) bool) {
		for c := 0; c < 64 && yield(1<<c, "1<<"+CapName(c)); c++ {
		}
	})
}

// Capset is capset(2) on the calling thread; the sets are bits by capability number.
// Capabilities that are no longer both permitted and inheritable are removed from the
// ambient set.
func Capset(effective, permitted, inheritable uint64) *Op {
	head := (&structure{}).u32(unix.LINUX_CAPABILITY_VERSION_3).u32(0).is(func() string { return "{version=_LINUX_CAPABILITY_VERSION_3, pid=0}" })
	data := (&structure{}).
		u32(uint32(effective)).u32(uint32(permitted)).u32(uint32(inheritable)).
		u32(uint32(effective >> 32)).u32(uint32(permitted >> 32)).u32(uint32(inheritable >> 32)).
		is(func() string {
			return fmt.Sprintf("{effective=%s, permitted=%s, inheritable=%s}",
				CapSetText(effective), CapSetText(permitted), CapSetText(inheritable))
		})
	return call("capset", unix.SYS_CAPSET, Ptr(head), Ptr(data)).
		Because(unix.EPERM, cause.Capability, "a capability cannot be gained: the caller does not have it")
}

// DropBounding removes a capability from the bounding set, permanently.
func DropBounding(c int) *Op {
	return Prctl("PR_CAPBSET_DROP", unix.PR_CAPBSET_DROP, Value(uint64(c), capText)).
		Because(unix.EPERM, cause.Capability, "changing the bounding set needs CAP_SETPCAP")
}

// RaiseAmbient makes a capability ambient, which must be permitted and inheritable.
func RaiseAmbient(c int) *Op {
	return Prctl("PR_CAP_AMBIENT", unix.PR_CAP_AMBIENT,
		Const("PR_CAP_AMBIENT_RAISE", unix.PR_CAP_AMBIENT_RAISE), Value(uint64(c), capText), Int(0), Int(0))
}

// LowerAmbient makes a capability no longer ambient.
func LowerAmbient(c int) *Op {
	return Prctl("PR_CAP_AMBIENT", unix.PR_CAP_AMBIENT,
		Const("PR_CAP_AMBIENT_LOWER", unix.PR_CAP_AMBIENT_LOWER), Value(uint64(c), capText), Int(0), Int(0))
}
