package plan

import (
	"hk/pkg/cause"

	"golang.org/x/sys/unix"
)

const mfdExec = 0x10

// MemfdCreate is memfd_create(2) of a file that is closed when a program is executed
// and that can be sealed. exec means that the file will be executed; kernels before 6.3
// do not know that flag, and execute any such file.
func MemfdCreate(name string, exec bool) *Op {
	flags := uint64(unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING)
	if exec {
		flags |= mfdExec
	}
	return call("memfd_create", unix.SYS_MEMFD_CREATE, Str(name), flagArg(flags, []bit{
		{unix.MFD_CLOEXEC, "MFD_CLOEXEC"}, {unix.MFD_ALLOW_SEALING, "MFD_ALLOW_SEALING"}, {mfdExec, "MFD_EXEC"}})).
		Because(unix.EACCES, cause.MemfdNoexec, "the sysctl vm.memfd_noexec forbids it")
}

// Sendfile is sendfile(2) of n bytes, which must be all of them.
func Sendfile(to *Result, from Arg, n int64) *Op {
	return call("sendfile", unix.SYS_SENDFILE, Ref(to), from, Null(), Int(n)).Exactly(int(n))
}

// Seal is fcntl(F_ADD_SEALS): from then on the file cannot be changed.
func Seal(fd *Result) *Op {
	return call("fcntl", unix.SYS_FCNTL, Ref(fd), Const("F_ADD_SEALS", unix.F_ADD_SEALS),
		flagArg(unix.F_SEAL_SEAL|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE, []bit{
			{unix.F_SEAL_SEAL, "F_SEAL_SEAL"}, {unix.F_SEAL_SHRINK, "F_SEAL_SHRINK"},
			{unix.F_SEAL_GROW, "F_SEAL_GROW"}, {unix.F_SEAL_WRITE, "F_SEAL_WRITE"}}))
}

// Dup3 is dup3(2) to a number, which is closed when a program is executed, or not.
func Dup3(fd *Result, to int, cloexec bool) *Op {
	flags := Int(0)
	if cloexec {
		flags = Const("O_CLOEXEC", unix.O_CLOEXEC)
	}
	return call("dup3", unix.SYS_DUP3, Ref(fd), Int(int64(to)), flags)
}
