package filter

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestKernelLooks makes calls twice, the second time with a bit set above the lower 32
// of one argument, and compares the results: the kernel uses as many bits as the table
// says. All of the calls succeed the first time.
func TestKernelLooks(t *testing.T) {
	native := here(0).Arch
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	page, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(page)
	out := make([]byte, 1024)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	fd, p, b := uint64(f.Fd()), uint64(uintptr(unsafe.Pointer(&page[0]))), uint64(uintptr(unsafe.Pointer(&out[0])))
	size, pid := uint64(len(page)), uint64(os.Getpid())
	at := uint64(uint32(0xffffff9c)) // AT_FDCWD
	null := append([]byte("/dev/null"), 0)
	name := uint64(uintptr(unsafe.Pointer(&null[0])))
	for _, c := range []struct {
		name string
		args [6]uint64
		// narrow and wide are the arguments of which 32 bits count, or all.
		narrow, wide string
	}{
		{"read", [6]uint64{fd, b, 0}, "0", ""},
		{"write", [6]uint64{fd, b, 0}, "0", "2"},
		{"lseek", [6]uint64{fd, 5, 0}, "02", "1"},
		{"openat", [6]uint64{at, name, 0, 0}, "023", "1"},
		{"faccessat", [6]uint64{at, name, 4}, "02", "1"},
		{"fchmod", [6]uint64{fd, 0o600}, "01", ""},
		{"fcntl", [6]uint64{fd, unix.F_GETFD}, "01", ""},
		{"fcntl", [6]uint64{fd, unix.F_SETFL, unix.O_APPEND}, "012", ""}, // and below
		{"ioctl", [6]uint64{fd, 0x5451}, "01", ""},                       // FIOCLEX
		{"flock", [6]uint64{fd, unix.LOCK_SH}, "01", ""},
		{"dup", [6]uint64{fd}, "0", ""},
		{"fadvise64", [6]uint64{fd, 0, 0, 0}, "03", ""},
		{"fallocate", [6]uint64{fd, 0, 0, 1}, "01", ""},
		{"readv", [6]uint64{fd, b, 0}, "02", ""},
		{"writev", [6]uint64{fd, b, 0}, "02", ""},
		{"preadv", [6]uint64{fd, b, 0, 0, 0}, "02", ""},
		{"preadv2", [6]uint64{fd, b, 0, 0, 0, 0}, "025", ""},
		{"kill", [6]uint64{pid, 0}, "01", ""},
		{"getpgid", [6]uint64{0}, "0", ""},
		{"getpriority", [6]uint64{0, 0}, "01", ""},
		{"prlimit64", [6]uint64{0, unix.RLIMIT_NOFILE, 0, b}, "01", "3"},
		{"personality", [6]uint64{0xffffffff}, "0", ""},
		{"socket", [6]uint64{unix.AF_UNIX, unix.SOCK_STREAM, 0}, "012", ""},
		{"eventfd2", [6]uint64{0, 0}, "01", ""},
		{"epoll_create1", [6]uint64{0}, "0", ""},
		{"memfd_create", [6]uint64{name, 0}, "1", "0"},
		{"timerfd_create", [6]uint64{unix.CLOCK_MONOTONIC, 0}, "01", ""},
		{"clock_gettime", [6]uint64{unix.CLOCK_MONOTONIC, b}, "0", "1"},
		{"sched_getaffinity", [6]uint64{0, 1024, b}, "01", "2"},
		{"getrandom", [6]uint64{b, 8, 0}, "2", "0"},
		{"futex", [6]uint64{p, 1, 0}, "12", ""},
		{"prctl", [6]uint64{unix.PR_GET_DUMPABLE}, "0", ""},
		{"prctl", [6]uint64{unix.PR_CAPBSET_READ, 0}, "0", "1"}, // of others 32
		{"mprotect", [6]uint64{p, size, 3}, "", "012"},
		{"madvise", [6]uint64{p, size, 0}, "2", "01"},
		{"mmap", [6]uint64{0, size, 1, unix.MAP_PRIVATE | unix.MAP_ANON, 0xffffffff, 0}, "23", ""},
		{"mremap", [6]uint64{p, size, size, 0}, "", "3"},
		{"msync", [6]uint64{p, size, 0}, "2", "01"},
		{"unshare", [6]uint64{0}, "", "0"},
		{"process_vm_readv", [6]uint64{pid, b, 0, b, 0, 0}, "02", "5"},
	} {
		nr, ok := native.Number(c.name)
		if !ok {
			t.Fatalf("no %s", c.name)
		}
		call := func(args [6]uint64) (uintptr, unix.Errno) {
			r, _, e := unix.Syscall6(uintptr(nr), uintptr(args[0]), uintptr(args[1]), uintptr(args[2]), uintptr(args[3]),
				uintptr(args[4]), uintptr(args[5]))
			switch {
			case e != 0:
			case strings.Contains("openat dup socket eventfd2 epoll_create1 memfd_create timerfd_create", c.name):
				unix.Close(int(r))
			case c.name == "mmap":
				unix.Syscall(unix.SYS_MUNMAP, r, uintptr(size), 0)
				r = 0
			}
			return r, e
		}
		first, e := call(c.args)
		if e != 0 {
			t.Errorf("%s(%#x) = %v; want no error", c.name, c.args, e)
			continue
		}
		for n := range 6 {
			looks := strings.IndexByte(c.wide, byte('0'+n)) >= 0
			if !looks && strings.IndexByte(c.narrow, byte('0'+n)) < 0 {
				continue
			}
			arg, ok := native.argument(c.name, n)
			if kind := strings.IndexByte("8?", arg.kind) >= 0; !ok || kind != looks && arg.kind != '?' {
				t.Errorf("the table says of argument %d of %s: %c; want one of 64 bits: %v", n, c.name, arg.kind, looks)
			}
			args := c.args
			if args[n] |= 1 << 32; c.args[n]>>32 != 0 { // an address: where none is
				args[n] = c.args[n] | 1<<50
			}
			if r, e := call(args); (r != first || e != 0) != looks {
				t.Errorf("%s(%#x) = %d, and with more in argument %d %d, %v; want the same: %v", c.name, c.args, first, n, r, e, !looks)
			}
		}
	}
}
