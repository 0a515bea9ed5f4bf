package test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hk/pkg/chain"
	"hk/pkg/plan"
	perform "hk/pkg/run"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// The sandboxes of these tests are made by this program, not by hk's.
const (
	libraryBox = "hk-unshare --user --mount --pid hk-idmap --root hk-mount --rootfs / --proc --tmpfs /tmp"
	// confinedBox restricts files too, and filteredBox filters.
	confinedBox = libraryBox + " hk-setuser --caps none --no-new-privs hk-landlock --rx /usr --ro /proc"
	filteredBox = confinedBox + " hk-seccomp --profile none --deny mount"
)

// libraryStarts is how many sandboxes are started where what is looked for is rare.
// HK_TEST_FULL=1 has 10,000. Of those with a filter there are never more than
// libraryFilters: many in a row stop a machine whose kernel loses the memory for them.
func libraryStarts() int {
	if os.Getenv("HK_TEST_FULL") == "1" {
		return 10000
	}
	return 200
}

const libraryFilters = 100

// prepared is a prepared chain. This program is dumpable: it no longer is after it has
// started a process with other credentials, which shares its memory until it executes
// something.
func prepared(t testing.TB, line string) *chain.Box {
	t.Helper()
	setDumpable(t, 1)
	c, err := chain.Parse(strings.Fields(landlockLine(line)))
	if err != nil {
		t.Fatal(err)
	}
	b, err := c.Prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// burden has the collector run, and threads come and go, until the test ends.
func burden(t *testing.T) {
	var over atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for !over.Load() {
			runtime.GC()
			time.Sleep(time.Millisecond)
		}
	})
	wg.Go(func() {
		for !over.Load() {
			ended := make(chan bool)
			go func() {
				runtime.LockOSThread() // and so the thread ends with the goroutine
				close(ended)
			}()
			<-ended
			time.Sleep(time.Millisecond)
		}
	})
	t.Cleanup(func() { over.Store(true); wg.Wait() })
}

// confined prints what confines it, as the shell sees it.
const confined = `
while read -r name value; do
	case $name in NoNewPrivs:|Seccomp:|CapEff:) printf '%s ' $value ;; esac
done </proc/self/status
read -r l </etc/passwd && printf 'reads '
echo $$`

// TestLibraryConfined has many goroutines, on threads that end, start payloads each of
// which looks at its own filter and domain.
func TestLibraryConfined(t *testing.T) {
	burden(t)
	before := memoryUse(t)
	open := openFiles(t)
	for _, c := range []struct {
		box, want string
		n         int
	}{
		{libraryBox, "%s 0 0 reads 1\n", 1}, // the control
		{filteredBox, "0000000000000000 1 2 1\n", min(libraryStarts()/10, libraryFilters)},
		{confinedBox, "0000000000000000 1 0 1\n", libraryStarts()},
	} {
		if strings.Contains(c.box, "hk-landlock") && landlockABI() == 0 {
			continue
		}
		b := prepared(t, c.box)
		var left atomic.Int64
		left.Store(int64(c.n))
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for left.Add(-1) >= 0 && !t.Failed() {
					done := make(chan bool)
					go func() {
						runtime.LockOSThread()
						defer close(done)
						out, err := b.Command("sh", "-c", confined).Output()
						caps, _, _ := strings.Cut(string(out), " ")
						want := strings.Replace(c.want, "%s", caps, 1)
						if err != nil || string(out) != want {
							t.Errorf("a payload of %s: %q, %v; want %q", c.box, out, err, want)
						}
					}()
					<-done
				}
			})
		}
		wg.Wait()
	}
	nothingLeft(t, open, before)
}

func openFiles(t *testing.T) int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// memoryUse is the address space and the memory of this program, in KiB.
func memoryUse(t *testing.T) int {
	runtime.GC()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	return atoi(strings.Fields(rest)[0])
}

// nothingLeft looks for what starts may leave behind.
func nothingLeft(t *testing.T, open, before int) {
	t.Helper()
	// The poller, and what other tests have open.
	if got := openFiles(t); got > open+8 {
		t.Errorf("%d descriptors are open; before there were %d", got, open)
	}
	if got := memoryUse(t); got > before+32<<10 {
		t.Errorf("this program has %d KiB; before it had %d", got, before)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if n := strings.Count(string(maps), "/dev/zero (deleted)"); err != nil || n > 16 {
		t.Errorf("%d runs are still in memory, %v", n, err)
	}
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil || dumpable != 1 {
		t.Errorf("PR_GET_DUMPABLE = %d, %v; want 1", dumpable, err)
	}
	here, err := unix.Getgroups()
	var there []int
	perform.OnThread(nil, func() (err error) { there, err = unix.Getgroups(); return err })
	if fmt.Sprint(here) != fmt.Sprint(there) {
		t.Errorf("groups of the thread that clones: %v; here %v", there, here)
	}
	var status unix.WaitStatus
	for {
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG|unix.WALL|unix.WNOWAIT, nil)
		if pid <= 0 || err != nil {
			break
		}
		t.Errorf("process %d has ended and was not waited for", pid)
		break
	}
}

// TestLibraryTextBusy has goroutines write programs and execute them: no child of another
// start has one open for writing by then.
func TestLibraryTextBusy(t *testing.T) {
	program, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	b := prepared(t, libraryBox+" --ro "+dir)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			for j := range 20 {
				file := filepath.Join(dir, fmt.Sprintf("true%d-%d", i, j))
				if err := os.WriteFile(file, program, 0o755); err != nil {
					t.Error(err)
					return
				}
				if err := b.Command(file).Run(); err != nil {
					t.Errorf("%s, just written: %v", file, err)
					return
				}
				os.Remove(file)
			}
		})
	}
	wg.Wait()
}

// TestLibraryThread has a program with GOMAXPROCS=1 start sandboxes from a thread that
// ends, and then end itself.
func TestLibraryThread(t *testing.T) {
	for _, init := range []string{"", "--init"} {
		from, to, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("/proc/self/exe", init)
		cmd.Env = append(os.Environ(), "HK_TEST_LIBRARY=thread", "GOMAXPROCS=1")
		var words bytes.Buffer
		cmd.Stderr, cmd.ExtraFiles = &words, []*os.File{to}
		out, err := cmd.Output()
		to.Close()
		if err != nil || string(out) != "it lives\n" {
			t.Errorf("%q, %v, %s; want that the payload lives on", out, err, words.String())
		}
		// To the end: the payload, which has the other end too, ends with the program.
		b, err := io.ReadAll(from)
		if err != nil || string(b) != "there\n" {
			t.Errorf("the payload said %q, %v", b, err)
		}
		from.Close()
	}
}

func init() {
	if os.Getenv("HK_TEST_LIBRARY") != "" {
		// The first thread does not end when a goroutine does that was locked to it, so
		// none is to be.
		runtime.LockOSThread()
	}
}

// libraryProgram is this program as another one, which uses the library.
func libraryProgram() int {
	if err := libraryThread(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func libraryThread() error {
	c, err := chain.Parse(strings.Fields(strings.Replace(libraryBox, "--pid", "--pid "+os.Args[1], 1)))
	if err != nil {
		return err
	}
	b, err := c.Prepare(context.Background())
	if err != nil {
		return err
	}
	cat := b.Command("cat")
	in, err := cat.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cat.StdoutPipe()
	if err != nil {
		return err
	}
	started := make(chan error)
	tid := 0
	go func() {
		runtime.LockOSThread()
		tid = unix.Gettid()
		started <- cat.Start()
	}()
	if err := <-started; err != nil {
		return err
	}
	for gone := false; !gone; time.Sleep(time.Millisecond) {
		gone = unix.Tgkill(os.Getpid(), tid, 0) == unix.ESRCH
	}
	time.Sleep(50 * time.Millisecond)
	fmt.Fprintln(in, "it lives")
	in.Close()
	if _, err := io.Copy(os.Stdout, out); err != nil {
		return err
	}
	if err := cat.Wait(); err != nil {
		return err
	}
	last := b.Command("sh", "-c", "echo there >&3; echo there; sleep 1000 & sleep 1000")
	last.ExtraFiles = []*os.File{os.NewFile(3, "pipe")}
	if out, err = last.StdoutPipe(); err == nil {
		err = last.Start()
	}
	if err == nil {
		_, err = io.ReadFull(out, make([]byte, len("there\n")))
	}
	return err
}

// TestLibraryLimits has a limit on time by the clock and one on CPU time, each without the
// other, and little memory.
func TestLibraryLimits(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := prepared(t, libraryBox).CommandContext(ctx, "sleep", "1000").Run()
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("sleep 1000 for 100 ms: %v; want the deadline", err)
	}
	var exit *chain.ExitError
	ctx, cancel = context.WithTimeout(t.Context(), time.Duration(slow)*time.Minute)
	defer cancel()
	err = prepared(t, libraryBox+" hk-limit --cpu 1").CommandContext(ctx, "sh", "-c", "while :; do :; done").Run()
	if !errors.As(err, &exit) || exit.Signal() != unix.SIGKILL || ctx.Err() != nil || exit.Rusage.Utime.Sec+exit.Rusage.Stime.Sec > 10 {
		t.Errorf("a loop with 1 s of CPU time: %v; want SIGKILL without the context", err)
	}
	if err := prepared(t, libraryBox+" hk-limit --data 1M --core 0").Command("true").Run(); err != nil {
		t.Errorf("true in 1 MiB of data: %v", err)
	}
	// With that much address space the loader finds no room, which is the payload's end.
	err = prepared(t, libraryBox+" hk-limit --as 1M").Command("true").Run()
	if !errors.As(err, &exit) {
		t.Errorf("true in 1 MiB of address space: %v; want an ExitError", err)
	}
}

// stuck is a stage whose child waits for ever.
type stuck struct {
	stage.Stage
	fifo string
}

func (s stuck) Needs() stage.Needs { return stage.Needs{} }
func (s stuck) Plan(st *stage.State) error {
	fd := st.Open("fifo", plan.Openat(plan.AtCwd(), s.fifo, unix.O_RDONLY|unix.O_CLOEXEC, 0))
	st.Add(plan.Close(fd))
	return nil
}

// TestLibraryDeadline has a context end a start whose child waits, and a Prepare that does.
func TestLibraryDeadline(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := chain.New(stuck{fifo: fifo}).Prepare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err = b.CommandContext(ctx, "true").Run()
	if start := (*chain.StartError)(nil); !errors.As(err, &start) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Run() = %v; want a StartError of the deadline", err)
	}
	// The control: the other end is there.
	other, err := unix.Open(fifo, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(other)
	if err := b.Command("true").Run(); err != nil {
		t.Errorf("Run() = %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	if _, err := chain.New(stuck{fifo: fifo}).Prepare(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Prepare() = %v; want Canceled", err)
	}
}

// TestLibraryFiles gives many descriptors to a payload, which has no other of this
// program's, whatever their numbers and flags.
func TestLibraryFiles(t *testing.T) {
	b := prepared(t, libraryBox)
	for _, n := range []int{200, 255, 300, 1000} {
		if unix.Dup3(0, n, 0) == nil {
			defer unix.Close(n)
		}
	}
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, n := range []int{0, 1, 100, 250} {
		cmd := b.Command("sh", "-c", "for f in /proc/self/fd/*; do echo ${f##*/}; done")
		for range n {
			cmd.ExtraFiles = append(cmd.ExtraFiles, f)
		}
		var list bytes.Buffer
		cmd.Stdout = &list
		if err := cmd.Run(); err != nil {
			t.Errorf("with %d files: %v", n, err)
			continue
		}
		seen := strings.Fields(list.String())
		others := 0
		for _, s := range seen {
			if fd, _ := strconv.Atoi(s); fd >= n+3 {
				others++
			}
		}
		// One is the shell's, which lists the directory.
		if len(seen) != n+4 || others > 1 {
			t.Errorf("with %d files the payload has %d descriptors: %s", n, len(seen), seen)
		}
	}
	cmd := b.Command("true")
	cmd.ExtraFiles = make([]*os.File, 251)
	for i := range cmd.ExtraFiles {
		cmd.ExtraFiles[i] = f
	}
	if err := cmd.Run(); err == nil || !strings.Contains(err.Error(), "at most 250") {
		t.Errorf("with 251 files: %v; want an error", err)
	}
}

// TestLibrarySteps has many starts at once whose children ask the supervisor for
// something: maps of ids by helpers, users of the new root, files for an exec closure.
func TestLibrarySteps(t *testing.T) {
	for _, c := range []struct{ box, script, want string }{
		{"hk-unshare --all --init hk-idmap --auto hk-mount --rootfs / --proc hk-setuser --user nobody --caps none", "id -un; echo $$", "nobody\n2\n"},
		{"hk-unshare --user --mount --pid --time --monotonic 1000000 hk-idmap --auto hk-mount --rootfs / --proc --tmpfs /tmp hk-landlock --exec-closure sh --exec-closure id --exec-closure cut --ro /proc,/etc", "cut -c1 /proc/uptime >&2; id -u", "0\n"},
		{"hk-unshare --setsid hk-setuser --no-new-privs", "echo here", "here\n"},
		{"hk-limit --nofile 20", "ulimit -n", "20\n"},
	} {
		if strings.Contains(c.box, "hk-landlock") && landlockABI() == 0 {
			continue
		}
		require(t, "newuidmap (package uidmap)", have("newuidmap") || !strings.Contains(c.box, "--auto"))
		if strings.Contains(c.box, "--auto") && os.Getuid() == 0 {
			c.box = strings.Replace(c.box, "--auto", "--uid 0:0:65536 --gid 0:0:65536", 1)
		}
		b := prepared(t, c.box)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 3 {
					out, err := b.Command("sh", "-c", c.script).Output()
					if err != nil || string(out) != c.want {
						var exit *chain.ExitError
						errors.As(err, &exit)
						t.Errorf("%s: %q, %v, %+v; want %q", c.box, out, err, exit, c.want)
					}
				}
			})
		}
		wg.Wait()
	}
}

// TestLibraryPasta has a helper that is to die with the supervisor serve a payload.
func TestLibraryPasta(t *testing.T) {
	require(t, "pasta, /dev/net/tun and a default route", hasPasta())
	b := prepared(t, "hk-unshare --all hk-idmap hk-net --pasta")
	out, err := b.Command("sh", "-c", "sleep 0.2; cat /proc/net/dev").Output()
	if err != nil || strings.Count(string(out), "\n") < 4 {
		t.Errorf("interfaces: %q, %v; want two", out, err)
	}
}
