package stage

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"hk/pkg/host"
)

// stepsVariable has this program make transitions, and print what it has after them.
const stepsVariable = "HK_TEST_TRANSITIONS"

func TestMain(m *testing.M) {
	if steps, ok := os.LookupEnv(stepsVariable); ok {
		runtime.LockOSThread()
		if err := transitions(strings.Fields(steps)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// transitions makes system calls, on this thread only, as the kernel does them.
func transitions(steps []string) error {
	for i, s := range steps {
		name, arg, _ := strings.Cut(s, ":")
		var n [3]uint64
		for i, a := range strings.Split(arg, ",") {
			n[i], _ = strconv.ParseUint(a, 0, 64)
		}
		var err error
		switch name {
		case "execve":
			os.Setenv(stepsVariable, strings.Join(steps[i+1:], " "))
			err = unix.Exec("/proc/self/exe", []string{"test"}, os.Environ())
		case "setresuid":
			_, _, e := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(n[0]), uintptr(n[0]), uintptr(n[0]))
			err = errno(e)
		case "capset":
			head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
			data := [2]unix.CapUserData{
				{Effective: uint32(n[0]), Permitted: uint32(n[1]), Inheritable: uint32(n[2])},
				{Effective: uint32(n[0] >> 32), Permitted: uint32(n[1] >> 32), Inheritable: uint32(n[2] >> 32)},
			}
			err = unix.Capset(&head, &data[0])
		case "drop":
			err = unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(n[0]), 0, 0, 0)
		case "ambient":
			err = unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, uintptr(n[0]), 0, 0)
		case "lower":
			err = unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_LOWER, uintptr(n[0]), 0, 0)
		case "securebits":
			err = unix.Prctl(unix.PR_SET_SECUREBITS, uintptr(n[0]), 0, 0, 0)
		case "no-new-privs":
			err = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	text, err := os.ReadFile("/proc/thread-self/status")
	bits, e := unix.PrctlRetInt(unix.PR_GET_SECUREBITS, 0, 0, 0, 0)
	fmt.Printf("%sSecurebits:\t%x\n", text, bits)
	if err == nil {
		err = e
	}
	return err
}

func errno(e syscall.Errno) error {
	if e != 0 {
		return e
	}
	return nil
}

// expect is what the methods make of the same transitions.
func expect(c Credentials, all uint64, steps []string) Credentials {
	for _, s := range steps {
		name, arg, _ := strings.Cut(s, ":")
		var n [3]uint64
		for i, a := range strings.Split(arg, ",") {
			n[i], _ = strconv.ParseUint(a, 0, 64)
		}
		switch name {
		case "execve":
			c = c.Execve()
		case "setresuid":
			c = c.Setresuid(n[0] == 0)
		case "capset":
			c = c.Capset(n[0], n[1], n[2])
		case "drop":
			c = c.DropBounding(int(n[0]))
		case "ambient":
			c = c.RaiseAmbient(1 << n[0])
		case "lower":
			c = c.LowerAmbient(1 << n[0])
		case "securebits":
			c = c.SetSecurebits(uint32(n[0]))
		case "no-new-privs":
			c.NoNewPrivs = true
		case "userns":
			c = c.EnterUserNS(all)
			c.Root = n[0] == 0
		}
	}
	return c
}

// TestCredentialsKernel has the kernel make the transitions. An ordinary user has
// capabilities to lose in a user namespace only.
func TestCredentialsKernel(t *testing.T) {
	const (
		some   = "0x1101" // CAP_CHOWN, CAP_SETPCAP, CAP_NET_ADMIN
		noRoot = "0x1"    // SECBIT_NOROOT
		fixup  = "0x4"    // SECBIT_NO_SETUID_FIXUP
		keep   = "0x10"   // SECBIT_KEEP_CAPS
		setuid = "0x1181" // some and CAP_SETUID
	)
	h := host.This()
	all := h.AllCaps()
	for _, steps := range []string{
		"", "execve",
		"capset:" + some + "," + some + ",0 execve",
		"capset:" + some + "," + some + ",0 no-new-privs execve",
		"no-new-privs drop:12 execve",
		"drop:12", "drop:12 execve", "drop:12 no-new-privs execve",
		"capset:" + some + "," + some + "," + some,
		"capset:" + some + "," + some + "," + some + " drop:12 execve",
		"capset:" + some + "," + some + "," + some + " ambient:12 ambient:0",
		"capset:" + some + "," + some + "," + some + " ambient:12 ambient:0 lower:12 lower:8",
		"capset:" + some + "," + some + "," + some + " ambient:12 ambient:0 capset:0," + some + ",0x1",
		"capset:" + setuid + "," + setuid + "," + some + " ambient:12 setresuid:1000",
		"capset:" + setuid + "," + setuid + "," + some + " ambient:12 setresuid:1000 execve",
		"capset:" + some + "," + some + "," + some + " ambient:12 execve",
		"securebits:" + keep + " setresuid:1000",
		"securebits:" + keep + " setresuid:1000 execve",
		"securebits:" + keep + " setresuid:1000 capset:" + some + "," + some + "," + some + " ambient:12 ambient:0 execve",
		"securebits:" + keep + " setresuid:1000 capset:0x80,0x80,0 setresuid:0",
		"securebits:" + keep + " setresuid:1000 capset:0x80,0x181,0 setresuid:1001 setresuid:0 execve",
		"securebits:" + fixup + " setresuid:1000",
		"securebits:" + fixup + " setresuid:1000 execve",
		"securebits:" + fixup + " setresuid:1000 setresuid:0 execve",
		"securebits:" + noRoot + " execve",
		"securebits:" + noRoot + " capset:" + some + "," + some + "," + some + " ambient:12 execve",
		"setresuid:1000", "setresuid:1000 no-new-privs execve",
		"userns:0 execve", "userns:1000 execve",
		"userns:0 execve drop:12 execve", "userns:0 execve drop:12 no-new-privs execve",
		"userns:0 execve capset:" + some + "," + some + "," + some + " drop:12 execve",
		"userns:0 execve capset:" + some + "," + some + "," + some + " ambient:12 capset:0x1,0x1,0x1 execve",
		"securebits:" + noRoot + " capset:" + some + "," + some + "," + some + " ambient:12 no-new-privs execve",
		"userns:0 execve capset:" + some + "," + some + "," + some + " ambient:12 no-new-privs execve",
		"userns:0 execve securebits:" + noRoot + " execve",
	} {
		words := strings.Fields(steps)
		if os.Geteuid() != 0 && !strings.HasPrefix(steps, "userns") {
			continue
		}
		cmd := exec.Command("/proc/self/exe")
		start := credentialsOf(h)
		// What starts it executes it.
		want := expect(start, all, words)
		if len(words) > 0 && strings.HasPrefix(words[0], "userns") {
			id, _ := strconv.Atoi(words[0][len("userns:"):])
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER,
				UidMappings: []syscall.SysProcIDMap{{ContainerID: id, HostID: os.Geteuid(), Size: 1}}}
			words = words[2:]
		} else {
			want = expect(start.Execve(), all, words)
		}
		cmd.Env = []string{stepsVariable + "=" + strings.Join(words, " ")}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v: %s", steps, err, out)
			continue
		}
		got, err := statusOf(string(out))
		if err != nil {
			t.Errorf("%s: %v", steps, err)
		} else if got != want {
			t.Errorf("%q: the kernel has %+v; want %+v", steps, got, want)
		}
	}
}

func statusOf(text string) (Credentials, error) {
	var c Credentials
	sets := map[string]*uint64{"CapInh": &c.Inheritable, "CapPrm": &c.Permitted, "CapEff": &c.Effective, "CapBnd": &c.Bounding, "CapAmb": &c.Ambient}
	found := 0
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		value = strings.TrimSpace(value)
		found++
		var err error
		switch set := sets[key]; {
		case set != nil:
			*set, err = strconv.ParseUint(value, 16, 64)
		case key == "Uid":
			c.Root = value == "0\t0\t0\t0"
		case key == "NoNewPrivs":
			c.NoNewPrivs = value == "1"
		case key == "Securebits":
			var n uint64
			n, err = strconv.ParseUint(value, 16, 32)
			c.Securebits = uint32(n)
		default:
			found--
		}
		if err != nil {
			return c, fmt.Errorf("%s: %w", line, err)
		}
	}
	if found != len(sets)+3 {
		return c, fmt.Errorf("not all there: %s", text)
	}
	return c, nil
}
