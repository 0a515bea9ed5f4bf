package filter

import (
	"bytes"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// newListener asks for a descriptor to answer calls by; the kernel gives one, and
// no second, to a thread.
const newListener = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER

func attach(code []unix.SockFilter, flags uintptr) (fd uintptr, e unix.Errno) {
	var first *unix.SockFilter
	if len(code) > 0 {
		first = &code[0]
	}
	prog := unix.SockFprog{Len: uint16(len(code)), Filter: first}
	fd, _, e = unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&prog)))
	runtime.KeepAlive(code)
	return fd, e
}

// TestCheckKernel compares Check with the kernel's checker: on a thread that has a
// listener a valid filter fails with EBUSY, because there can be no second one, and an
// invalid one fails before that with EINVAL. So no filter is ever loaded.
//
// The kernel still compiles each valid one, and frees it later in queued work. Once
// 1024 of these wait for the lock that the compiler holds, which then waits for work
// after them, no process on the machine can load a filter any more (seen on Linux
// 6.18). A run makes fewer in total.
func TestCheckKernel(t *testing.T) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			t.Error(err)
			return
		}
		allow := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}}
		fd, e := attach(allow, newListener)
		if e != 0 {
			if os.Getenv("HK_TEST_STRICT") == "1" {
				t.Error("a listener: ", e)
			}
			return
		}
		defer unix.Close(int(fd))
		r := rand.New(rand.NewPCG(8, 9))
		good := 0
		const n = 800
		for range n {
			code := randomCode(r)
			err := Check(code)
			_, e := attach(code, newListener)
			if e != unix.EBUSY && e != unix.EINVAL {
				t.Errorf("attach(%v) = %v; want %v or %v", code, e, unix.EBUSY, unix.EINVAL)
				return
			}
			if (err == nil) != (e == unix.EBUSY) {
				t.Errorf("Check(%+v) = %v; want what the kernel says, %v", code, err, e)
				return
			}
			if err == nil {
				good++
			}
		}
		if good < n/20 || good > n-n/20 {
			t.Errorf("%d of %d filters were good: that tests one side only", good, n)
		}
	}()
	<-done
}

// randomCode makes a short program of instructions that are most often right.
func randomCode(r *rand.Rand) []unix.SockFilter {
	codes := []uint16{0x20, 0x20, 0x80, 0x81, 0x06, 0x06, 0x16, 0x00, 0x01, 0x60, 0x61, 0x02, 0x03, 0x07, 0x87, 0x05,
		0x15, 0x15, 0x25, 0x35, 0x45, 0x1d, 0x2d, 0x3d, 0x4d, 0x04, 0x0c, 0x14, 0x1c, 0x24, 0x2c, 0x34, 0x3c, 0x44, 0x4c,
		0x54, 0x5c, 0xa4, 0xac, 0x64, 0x6c, 0x74, 0x7c, 0x84}
	n := r.IntN(7)
	var code []unix.SockFilter
	for i := range n {
		c := codes[r.IntN(len(codes))]
		k := uint32(r.IntN(17)) * 4
		switch {
		case c == 0x05:
			k = uint32(r.IntN(n - i + 1))
		case c&7 == unix.BPF_ST || c&7 == unix.BPF_STX || c&0xe0 == unix.BPF_MEM && c&7 < 2:
			k = uint32(r.IntN(4))
		}
		if r.IntN(12) == 0 {
			k = uint32(r.Uint64())
		}
		if r.IntN(60) == 0 {
			c = uint16(r.IntN(0x200))
		}
		code = append(code, unix.SockFilter{Code: c, Jt: uint8(r.IntN(n - i + 1)), Jf: uint8(r.IntN(n - i)), K: k})
	}
	if r.IntN(10) > 0 {
		code = append(code, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
	}
	return code
}

func TestCheck(t *testing.T) {
	ret := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K}
	for _, c := range []struct {
		code []unix.SockFilter
		want string
	}{
		{nil, "an empty filter"},
		{slices.Repeat([]unix.SockFilter{ret}, 4097), "4097 instructions; the kernel accepts at most 4096"},
		{[]unix.SockFilter{{Code: 0x20, K: 64}, ret}, "instruction 0: there is no word at 64 of struct seccomp_data"},
		{[]unix.SockFilter{{Code: 0x20, K: 2}, ret}, "there is no word at 2"},
		{[]unix.SockFilter{{Code: 0x28}, ret}, "seccomp(2) has no instruction of code 0x28"},
		{[]unix.SockFilter{{Code: 0x15, Jt: 1}, ret}, "a jump past the end"},
		{[]unix.SockFilter{{Code: 0x05, K: 1}, ret}, "a jump past the end"},
		{[]unix.SockFilter{{Code: 0x05, K: 0xffffffff}, ret}, "a jump past the end"},
		{[]unix.SockFilter{{Code: 0x60, K: 3}, ret}, "word 3 of memory is not stored before"},
		{[]unix.SockFilter{{Code: 0x02, K: 16}, ret}, "there is no word 16 of memory"},
		{[]unix.SockFilter{{Code: 0x34}, ret}, "a division by 0"},
		{[]unix.SockFilter{{Code: 0x64, K: 32}, ret}, "a shift by 32"},
		{[]unix.SockFilter{{Code: 0x00}}, "the last instruction returns nothing"},
	} {
		if err := Check(c.code); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Check(%v) = %v; want %q", c.code, err, c.want)
		}
	}
}

// FuzzDecode checks that an accepted filter is written as it was, printed without a
// panic and executed without an error.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(podmanAMD64All))
	f.Add([]byte(dockerARM64None))
	r := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		f.Add(Encode(randomCode(r)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		code, err := Decode(data)
		if err != nil {
			return
		}
		if !bytes.Equal(Encode(code), data) {
			t.Fatalf("Encode(Decode(%x)) = %x", data, Encode(code))
		}
		if n := bytes.Count(Disassemble(code, nil), []byte("\n")); n != len(code)+2 {
			t.Fatalf("%d lines for %d instructions", n, len(code))
		}
	})
}
