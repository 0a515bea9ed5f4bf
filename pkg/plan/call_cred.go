package plan

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unsafe"

	"hk/pkg/cause"

	"golang.org/x/sys/unix"
)

// Setresuid is setresuid(2) with the same ID three times.
func Setresuid(uid Arg) *Op {
	return call("setresuid", unix.SYS_SETRESUID, uid, uid, uid).
		Because(unix.EPERM, cause.Capability, "changing IDs needs CAP_SETUID")
}

// Setresgid is setresgid(2) with the same ID three times.
func Setresgid(gid Arg) *Op {
	return call("setresgid", unix.SYS_SETRESGID, gid, gid, gid).
		Because(unix.EPERM, cause.Capability, "changing IDs needs CAP_SETGID")
}

// Setfsuid is setfsuid(2), which tells of no error: [HasFsuid] does.
func Setfsuid(uid uint32) *Op { return call("setfsuid", unix.SYS_SETFSUID, Int(int64(uid))) }

// Setfsgid is setfsgid(2), which tells of no error: [HasFsgid] does.
func Setfsgid(gid uint32) *Op { return call("setfsgid", unix.SYS_SETFSGID, Int(int64(gid))) }

// HasFsuid is a setfsuid(2) that changes nothing, and fails if the ID is another one.
func HasFsuid(uid uint32) *Op { return call("setfsuid", unix.SYS_SETFSUID, Int(-1)).Exactly(int(uid)) }

// HasFsgid is a setfsgid(2) that changes nothing, and fails if the ID is another one.
func HasFsgid(gid uint32) *Op { return call("setfsgid", unix.SYS_SETFSGID, Int(-1)).Exactly(int(gid)) }

// Setgroups is setgroups(2) of a known list.
func Setgroups(gids []uint32) *Op {
	b := []byte{}
	for _, g := range gids {
		b = binary.NativeEndian.AppendUint32(b, g)
	}
	m := &Buffer{bytes: b, text: func() string {
		text := make([]string, len(gids))
		for i, g := range gids {
			text[i] = fmt.Sprint(g)
		}
		return "[" + strings.Join(text, ", ") + "]"
	}}
	return SetgroupsFrom(Int(int64(len(gids))), m)
}

// SetgroupsFrom is setgroups(2) of a list that a supervisor step puts into m.
func SetgroupsFrom(n Arg, m *Buffer) *Op {
	return call("setgroups", unix.SYS_SETGROUPS, n, Ptr(m)).
		Because(unix.EPERM, cause.Capability, "setgroups(2) needs CAP_SETGID")
}

// A SockFilter is one instruction of classic BPF.
type SockFilter = unix.SockFilter

// SeccompFilter is seccomp(SECCOMP_SET_MODE_FILTER) on the calling thread, with
// SECCOMP_FILTER_FLAG_*. prog must not be changed until the plan is performed.
func SeccompFilter(prog []SockFilter, flags uint64) *Op {
	op := call("seccomp", unix.SYS_SECCOMP, Const("SECCOMP_SET_MODE_FILTER", unix.SECCOMP_SET_MODE_FILTER), flagArg(flags, filterFlags), program(prog))
	return op.filters()
}

// SeccompByPrctl is the same with prctl(2), as it was before Linux 3.17.
func SeccompByPrctl(prog []SockFilter) *Op {
	return Prctl("PR_SET_SECCOMP", unix.PR_SET_SECCOMP, Const("SECCOMP_MODE_FILTER", unix.SECCOMP_MODE_FILTER), program(prog)).filters()
}

// Reload makes an op that loads a filter load another one in its place.
func (o *Op) Reload(prog []SockFilter) {
	old := o.Args[len(o.Args)-1].Buffer()
	now := program(prog).Buffer()
	code, was := now.refs[0].Buffer, old.refs[0].Buffer
	now.number, code.number = old.number, was.number // which the plan has given
	*was = *code
	now.refs[0].Buffer = was
	*old = *now
}

func (o *Op) filters() *Op {
	o.Roles |= Filters
	return o.Because(unix.EACCES, cause.Capability, "loading a filter without no_new_privs needs CAP_SYS_ADMIN").
		Hint(unix.EINVAL, "the kernel rejects the filter")
}

// program is a pointer to a struct sock_fprog.
func program(prog []SockFilter) Arg {
	// It is the kernel's struct.
	code := &Buffer{bytes: unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(prog))), len(prog)*int(unsafe.Sizeof(SockFilter{})))}
	// The length is 16 bits, padded.
	m := (&structure{}).u64(uint64(len(prog))).pointer(code).is(func() string { return fmt.Sprintf("{len=%d}", len(prog)) })
	return Ptr(m)
}
