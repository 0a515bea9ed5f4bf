package ptrace

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestPeekUnanswered reads memory that another process is to provide, and does not.
func TestPeekUnanswered(t *testing.T) {
	if os.Getenv("HK_TEST_FAULT") != "" {
		fmt.Println(withoutMemory())
		time.Sleep(time.Hour)
	}
	t.Parallel()
	cmd := exec.Command(os.Args[0], "-test.run=^TestPeekUnanswered$")
	cmd.Env = append(os.Environ(), "HK_TEST_FAULT=yes")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	addr, err := strconv.ParseUint(strings.TrimSpace(line), 0, 64)
	if err != nil {
		t.Skip("userfaultfd: " + line)
	}
	var m Memory
	var b [8]byte
	// The control: the page before, which it has.
	if n := m.Peek(cmd.Process.Pid, addr-8, b[:]); n != 8 {
		t.Errorf("Peek of memory that is there = %d; want 8", n)
	}
	begin := time.Now()
	if n := m.Peek(cmd.Process.Pid, addr, b[:]); n != 0 || time.Since(begin) < patience {
		t.Errorf("Peek = %d after %v; want 0 after %v", n, time.Since(begin), patience)
	}
	// It is not waited for again, and no more reads wait for it.
	begin = time.Now()
	for range 100 {
		if n := m.Peek(cmd.Process.Pid, addr+8, b[:]); n != 0 || len(m.late) != 1 {
			t.Fatalf("Peek = %d, and %d reads wait; want 0 and 1", n, len(m.late))
		}
	}
	if d := time.Since(begin); d > patience {
		t.Errorf("100 times Peek took %v", d)
	}
	// Other processes are read, and the read ends with the process.
	if n := m.Peek(os.Getpid(), uint64(uintptr(unsafe.Pointer(&b))), b[:]); n != 8 {
		t.Errorf("Peek of this process = %d; want 8", n)
	}
	_ = cmd.Process.Kill()
	for m.owes(cmd.Process.Pid) {
		time.Sleep(time.Millisecond)
	}
	if len(m.late) != 0 {
		t.Errorf("%d reads wait after the end of the process", len(m.late))
	}
}

// TestPeekProcfs reads as where a filter denies process_vm_readv(2), and with ptrace(2).
func TestPeekProcfs(t *testing.T) {
	want := []byte("what is in memory, over the end of a word")
	b := make([]byte, len(want))
	addr := uint64(uintptr(unsafe.Pointer(&want[0])))
	if n, err := readProcfs(os.Getpid(), addr, b); n != len(b) || err != nil || string(b) != string(want) {
		t.Errorf("%d, %v: %q", n, err, b)
	}
	if n, err := readProcfs(os.Getpid(), 8, b); n != 0 || err == nil {
		t.Errorf("of what is not mapped: %d, %v", n, err)
	}
}

// withoutMemory is the address of a page that userfaultfd(2) is to provide, or an error. The
// page before it is there.
func withoutMemory() any {
	fd, _, e := unix.Syscall(unix.SYS_USERFAULTFD, unix.O_CLOEXEC, 0, 0)
	if e != 0 {
		return e
	}
	api := struct{ api, features, ioctls uint64 }{api: 0xaa}
	const uffdioAPI, uffdioRegister = 0xc018aa3f, 0xc020aa00
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, fd, uffdioAPI, uintptr(unsafe.Pointer(&api))); e != 0 {
		return e
	}
	size := os.Getpagesize()
	pages, err := unix.Mmap(-1, 0, 2*size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return err
	}
	pages[0] = 1
	addr := uint64(uintptr(unsafe.Pointer(&pages[size])))
	missing := struct{ start, size, mode, ioctls uint64 }{addr, uint64(size), 1, 0}
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, fd, uffdioRegister, uintptr(unsafe.Pointer(&missing))); e != 0 {
		return e
	}
	return addr
}
