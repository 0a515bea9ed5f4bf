package plan

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Openat is openat(2) of a name that needs no safe resolution.
func Openat(dir Arg, path string, flags uint64, mode uint32) *Op {
	args := []Arg{dir, Str(path), Value(flags, openText)}
	if flags&unix.O_CREAT != 0 {
		args = append(args, Octal(mode))
	}
	return call("openat", unix.SYS_OPENAT, args...)
}

// Openat2 is openat2(2) (Linux 5.6). If a path must not leave a directory, the kernel
// gives up at a .. if anything on the system was renamed or mounted in the meantime;
// the op is then repeated.
func Openat2(dir Arg, path string, flags uint64, mode uint32, resolve uint64) *Op {
	return openat2(dir, Str(path), flags, mode, resolve)
}

func openat2(dir, path Arg, flags uint64, mode uint32, resolve uint64) *Op {
	s := (&structure{}).u64(flags).u64(uint64(mode)).u64(resolve)
	m := s.is(func() string {
		text := "flags=" + openText(flags)
		if flags&unix.O_CREAT != 0 {
			text += ", mode=" + octal(uint64(mode))
		}
		return "{" + text + ", resolve=" + flagText(resolve, resolveFlags) + "}"
	})
	op := call("openat2", unix.SYS_OPENAT2, dir, path, Ptr(m), Int(24))
	if resolve&(unix.RESOLVE_IN_ROOT|unix.RESOLVE_BENEATH) != 0 {
		op.Roles |= Retries
	}
	return op
}

// MayWrite is faccessat2(2) (Linux 5.8) of a descriptor: EROFS means that the mount or
// its file system is read-only, EACCES that the caller may not write.
func MayWrite(fd *Result) *Op {
	return call("faccessat2", unix.SYS_FACCESSAT2, Ref(fd), Str(""), Const("W_OK", unix.W_OK),
		flagArg(unix.AT_EMPTY_PATH|unix.AT_EACCESS, accessFlags))
}

// MayAccess is faccessat2(2) of a descriptor of the caller, for the effective IDs. mode is
// R_OK, W_OK and X_OK, as bits.
func MayAccess(fd int, mode uint32) *Op {
	return call("faccessat2", unix.SYS_FACCESSAT2, Int(int64(fd)), Str(""), Int(int64(mode)),
		flagArg(unix.AT_EMPTY_PATH|unix.AT_EACCESS, accessFlags))
}

// accessFlags are flags of faccessat2(2); AT_EACCESS means something else elsewhere.
var accessFlags = []bit{{unix.AT_EACCESS, "AT_EACCESS"}, {unix.AT_EMPTY_PATH, "AT_EMPTY_PATH"}}

// Mkdirat is mkdirat(2).
func Mkdirat(dir Arg, path string, mode uint32) *Op {
	return call("mkdirat", unix.SYS_MKDIRAT, dir, Str(path), Octal(mode))
}

// MakeFile is mknodat(2) of an empty regular file.
func MakeFile(dir Arg, path string, mode uint32) *Op {
	return call("mknodat", unix.SYS_MKNODAT, dir, Str(path), Value(uint64(unix.S_IFREG|mode), fileMode))
}

func fileMode(v uint64) string { return "S_IFREG|" + octal(v&^unix.S_IFREG) }

// Symlinkat is symlinkat(2): a symbolic link at path with that target.
func Symlinkat(target string, dir Arg, path string) *Op {
	return call("symlinkat", unix.SYS_SYMLINKAT, Str(target), dir, Str(path))
}

// Fchmod is fchmod(2).
func Fchmod(fd *Result, mode uint32) *Op {
	return call("fchmod", unix.SYS_FCHMOD, Ref(fd), Octal(mode))
}

// Fchown is fchown(2).
func Fchown(fd *Result, uid, gid uint32) *Op {
	return call("fchown", unix.SYS_FCHOWN, Ref(fd), Int(int64(uid)), Int(int64(gid)))
}

// Write is write(2) of all of b.
func Write(fd *Result, b []byte) *Op {
	return call("write", unix.SYS_WRITE, Ref(fd), Bytes(b), Int(int64(len(b)))).Exactly(len(b))
}

// Read is read(2) of n bytes whose values do not matter: it waits for the supervisor.
func Read(fd *Result, n int) *Op {
	m := Reserve(`"\1"`, n)
	return call("read", unix.SYS_READ, Ref(fd), Ptr(m), Int(int64(n)))
}

// Sendto is sendto(2) of one byte to the supervisor; it fails with EPIPE if the
// supervisor has ended.
func Sendto(fd *Result) *Op {
	return call("sendto", unix.SYS_SENDTO, Ref(fd), Bytes([]byte{1}), Int(1),
		Const("MSG_NOSIGNAL", unix.MSG_NOSIGNAL), Null(), Int(0)).Exactly(1).
		Hint(unix.EPIPE, "the supervisor has ended")
}

// SendFDs is sendmsg(2) of one byte and of descriptors to the supervisor; it fails with
// EPIPE if the supervisor has ended.
func SendFDs(sock *Result, fds ...*Result) *Op {
	control := (&structure{}).u64(uint64(unix.CmsgLen(4 * len(fds)))).u32(unix.SOL_SOCKET).u32(unix.SCM_RIGHTS)
	for _, fd := range fds {
		control.result32(fd)
	}
	if len(fds)%2 != 0 {
		control.u32(0)
	}
	// Pointers and sizes have 8 bytes on all machines that hk is built for; fields with
	// 4 bytes are padded.
	iov := (&structure{}).pointer(&Buffer{str: "\x01"}).u64(1)
	m := (&structure{}).u64(0).u64(0).pointer(&iov.Buffer).u64(1).pointer(&control.Buffer).u64(uint64(len(control.bytes))).u64(0)
	names := make([]string, len(fds))
	for i, fd := range fds {
		names[i] = fd.String()
	}
	text := fmt.Sprintf(`{msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base="\1", iov_len=1}], msg_iovlen=1, `+
		`msg_control=[{cmsg_len=%d, cmsg_level=SOL_SOCKET, cmsg_type=SCM_RIGHTS, cmsg_data=[%s]}], msg_controllen=%d, msg_flags=0}`,
		unix.CmsgLen(4*len(fds)), strings.Join(names, ", "), len(control.bytes))
	return call("sendmsg", unix.SYS_SENDMSG, Ref(sock), Ptr(m.is(func() string { return text })),
		Const("MSG_NOSIGNAL", unix.MSG_NOSIGNAL)).Exactly(1).
		Hint(unix.EPIPE, "the supervisor has ended")
}

// Close is close(2).
func Close(fd *Result) *Op {
	op := call("close", unix.SYS_CLOSE, Ref(fd))
	op.Closes = fd
	return op
}

// CloseFD is close(2) of a descriptor with a known number.
func CloseFD(fd int) *Op {
	return call("close", unix.SYS_CLOSE, Int(int64(fd)))
}

// CloseRange is close_range(2) (Linux 5.9). flags is 0 or CLOSE_RANGE_CLOEXEC.
func CloseRange(first, last uint32, flags uint64) *Op {
	return call("close_range", unix.SYS_CLOSE_RANGE, Int(int64(first)), Int(int64(last)),
		flagArg(flags, []bit{{unix.CLOSE_RANGE_CLOEXEC, "CLOSE_RANGE_CLOEXEC"}}))
}

// IsOpen is fcntl(F_GETFD), which fails with EBADF if fd is not open.
func IsOpen(fd Arg) *Op {
	return call("fcntl", unix.SYS_FCNTL, fd, Const("F_GETFD", unix.F_GETFD))
}

// KeepOpen is fcntl(F_SETFD) that keeps fd open when a program is executed.
func KeepOpen(fd Arg) *Op {
	return call("fcntl", unix.SYS_FCNTL, fd, Const("F_SETFD", unix.F_SETFD), Int(0))
}

// Chdir is chdir(2).
func Chdir(path string) *Op { return call("chdir", unix.SYS_CHDIR, Str(path)) }

// Fchdir is fchdir(2).
func Fchdir(fd *Result) *Op { return call("fchdir", unix.SYS_FCHDIR, Ref(fd)) }

// Chroot is chroot(2).
func Chroot(path string) *Op { return call("chroot", unix.SYS_CHROOT, Str(path)) }

// Umask is umask(2).
func Umask(mask Arg) *Op { return call("umask", unix.SYS_UMASK, mask) }

// Getcwd is getcwd(2), which writes the working directory after the name in memory made by
// [WorkingDirectory]. Nothing is written if the directory has been removed.
func Getcwd(b *Buffer) *Op {
	return call("getcwd", unix.SYS_GETCWD, PtrAt(b, len(b.bytes)), Int(unix.PathMax)).Tolerate(unix.ENOENT)
}

// ReadLock is fcntl(F_OFD_SETLK) of a read lock on the whole file.
func ReadLock(fd *Result) *Op {
	lock := (&structure{}).u64(unix.F_RDLCK).u64(0).u64(0).u64(0).is(func() string { return "{l_type=F_RDLCK, l_whence=SEEK_SET, l_start=0, l_len=0}" })
	return call("fcntl", unix.SYS_FCNTL, Ref(fd), Const("F_OFD_SETLK", unix.F_OFD_SETLK), Ptr(lock)).
		Hint(unix.EAGAIN, "another process has a write lock on it")
}
