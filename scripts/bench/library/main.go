// Library measures what a sandbox costs a Go program: with this library, prepared; with
// bubblewrap, executed by os/exec; and with go-sandbox, with and without a pool of
// waiting containers. All of them create a user, a mount and a PID namespace with /usr,
// read-only, and a procfs, and execute /usr/bin/true.
//
//	library [-n N] [-at-once N]
//
// They take turns in one process: first one start after another, then many at once.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/criyle/go-sandbox/container"
	"github.com/criyle/go-sandbox/pkg/forkexec"
	"github.com/criyle/go-sandbox/pkg/mount"
	"github.com/criyle/go-sandbox/runner"
	"golang.org/x/sys/unix"

	"hk/pkg/chain"
)

const payload = "/usr/bin/true"

func main() {
	// A container of go-sandbox is this program again.
	if err := container.Init(); err != nil {
		fail(err)
	}
	n := flag.Int("n", 500, "starts one after another")
	atOnce := flag.Int("at-once", 200, "starts at once")
	flag.Parse()
	if err := bench(*n, *atOnce); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "library:", err)
	os.Exit(1)
}

// A way makes a sandbox, runs the payload in it and waits for that.
type way struct {
	name string
	run  func() error
}

func bench(n, atOnce int) error {
	ways, end, err := all(atOnce)
	if err != nil {
		return err
	}
	defer end()
	for _, w := range ways {
		if err := w.run(); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
	}
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return err
	}
	fmt.Printf("%d CPUs, load %s; milliseconds for a start with its end\n\n", runtime.NumCPU(), strings.Join(strings.Fields(string(load))[:3], " "))
	took := make([][]time.Duration, len(ways))
	for range n {
		// In a new order each time: what one leaves for the kernel to clean up
		// burdens all the others alike.
		for _, i := range rand.Perm(len(ways)) {
			start := time.Now()
			if err := ways[i].run(); err != nil {
				return fmt.Errorf("%s: %w", ways[i].name, err)
			}
			took[i] = append(took[i], time.Since(start))
		}
	}
	together := make([]time.Duration, len(ways))
	for i, w := range ways {
		best := time.Duration(0)
		for range 3 {
			d, err := many(w, atOnce)
			if err != nil {
				return fmt.Errorf("%s, %d at once: %w", w.name, atOnce, err)
			}
			if best == 0 || d < best {
				best = d
			}
		}
		together[i] = best / time.Duration(atOnce)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\tmin\tmedian\tp90\tto bwrap\t%d at once, each\tto bwrap\n", atOnce)
	for i, way := range ways {
		s := slices.Sorted(slices.Values(took[i]))
		fmt.Fprintf(w, "%s\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\n", way.name, ms(s[0]), ms(s[len(s)/2]), ms(s[len(s)*9/10]),
			ratio(median(took[i]), median(took[1])), ms(together[i]), ratio(together[i], together[1]))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return memory(atOnce)
}

func median(d []time.Duration) time.Duration { return slices.Sorted(slices.Values(d))[len(d)/2] }

func ms(d time.Duration) float64       { return float64(d) / float64(time.Millisecond) }
func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }

// many runs a way many times at once.
func many(w way, n int) (time.Duration, error) {
	var wg sync.WaitGroup
	errs := make(chan error, n)
	start := time.Now()
	for range n {
		wg.Go(func() { errs <- w.run() })
	}
	wg.Wait()
	took := time.Since(start)
	close(errs)
	for err := range errs {
		if err != nil {
			return 0, err
		}
	}
	return took, nil
}

// all lists the ways; bubblewrap is the second.
func all(atOnce int) (ways []way, end func(), err error) {
	box, err := prepared(false)
	if err != nil {
		return nil, nil, err
	}
	covered, err := prepared(true)
	if err != nil {
		return nil, nil, err
	}
	bwrap := append(links("--symlink"), "--unshare-user", "--unshare-pid", "--ro-bind", "/usr", "/usr", "--proc", "/proc", "--die-with-parent", "--", payload)
	root, err := os.MkdirTemp("", "hk-bench-")
	if err != nil {
		return nil, nil, err
	}
	pool, destroy, err := containers(root, min(atOnce, 8))
	null, err2 := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	end = func() { destroy(); null.Close(); os.Remove(root) }
	if err = errors.Join(err, err2); err != nil {
		end()
		return nil, nil, err
	}
	fds := []uintptr{null.Fd(), null.Fd(), null.Fd()}
	unpooled, err := forkRunner(root, fds)
	if err != nil {
		end()
		return nil, nil, err
	}
	return []way{
		{"hk, prepared", func() error { return box.Command(payload).Run() }},
		{"bwrap by os/exec", func() error { return exec.Command("bwrap", bwrap...).Run() }},
		{"hk, prepared, with covers in /proc", func() error { return covered.Command(payload).Run() }},
		{"go-sandbox, a pool", func() error { return pool(fds) }},
		{"go-sandbox, no pool", unpooled},
		{"os/exec, no sandbox", func() error { return exec.Command(payload).Run() }},
	}, end, nil
}

// prepared is hk's sandbox; cover has it cover what in /proc controls the machine, which it
// does by itself where the payload may be the machine's user 0.
func prepared(cover bool) (*chain.Box, error) {
	words := strings.Fields("hk-unshare --user --mount --pid hk-idmap --root hk-mount --ro /usr")
	if cover {
		words = append(words, "--proc")
	} else {
		words = append(words, "--proc=/proc:rw-sys")
	}
	for l := links("--symlink"); len(l) > 0; l = l[3:] {
		words = append(words, "--symlink", l[1]+":"+l[2])
	}
	c, err := chain.Parse(words)
	if err != nil {
		return nil, err
	}
	return c.Prepare(context.Background())
}

// links are options for the links of a merged /usr.
func links(option string) (args []string) {
	for _, name := range []string{"bin", "lib", "lib64", "sbin"} {
		if to, err := os.Readlink("/" + name); err == nil {
			args = append(args, option, to, "/"+name)
		}
	}
	return args
}

func mounts() *mount.Builder { return mount.NewBuilder().WithBind("/usr", "usr", true).WithProc() }

// containers is a pool of them, and how to run the payload in one that is free.
func containers(root string, n int) (run func(fds []uintptr) error, end func(), err error) {
	free := make(chan container.Environment, n)
	end = func() {
		for range len(free) {
			(<-free).Destroy()
		}
	}
	for range n {
		b := &container.Builder{Root: root, Mounts: mounts().Mounts, SymbolicLinks: symbolic(), MaskPaths: []string{"/nonexistent"}, WorkDir: "/",
			// It sets a host name.
			CloneFlags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWUTS}
		e, err := b.Build()
		if err != nil {
			return nil, end, err
		}
		free <- e
	}
	return func(fds []uintptr) error {
		e := <-free
		defer func() { free <- e }()
		r := e.Execve(context.Background(), container.ExecveParam{Args: []string{payload}, Env: []string{"PATH=/usr/bin"}, Files: fds})
		if r.Status != runner.StatusNormal || r.ExitStatus != 0 {
			return fmt.Errorf("%v %d %s", r.Status, r.ExitStatus, r.Error)
		}
		return nil
	}, end, nil
}

func symbolic() (list []container.SymbolicLink) {
	for l := links("-"); len(l) > 0; l = l[3:] {
		list = append(list, container.SymbolicLink{LinkPath: l[2], Target: l[1]})
	}
	return list
}

// forkRunner runs the payload by go-sandbox without a container. It makes no links: the
// loader is bound.
func forkRunner(root string, fds []uintptr) (func() error, error) {
	m, err := mounts().WithBind("/usr/lib64", "lib64", true).WithBind("/usr/lib", "lib", true).Build()
	if err != nil {
		return nil, err
	}
	return func() error {
		r := forkexec.Runner{Args: []string{payload}, Env: []string{"PATH=/usr/bin"}, Files: fds,
			CloneFlags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID, Mounts: m, PivotRoot: root, WorkDir: "/",
			UIDMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}},
			GIDMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}, NoNewPrivs: true,
			// Without one it clones as vfork(2) does, and waits for its child for ever,
			// which waits for its maps.
			SyncFunc: func(int) error { return nil }}
		pid, err := r.Start()
		if err != nil {
			return err
		}
		var status unix.WaitStatus
		for {
			if _, err = unix.Wait4(pid, &status, 0, nil); err != unix.EINTR {
				break
			}
		}
		if err == nil && status != 0 {
			err = fmt.Errorf("wait status %#x", uint32(status))
		}
		return err
	}, nil
}

// memory tells what the program takes while many sandboxes run.
func memory(n int) error {
	box, err := prepared(false)
	if err != nil {
		return err
	}
	runtime.GC()
	before, threads := status("VmRSS:"), status("Threads:")
	var cmds []*chain.Cmd
	var pipes []*os.File
	for range n {
		from, to, err := os.Pipe()
		if err != nil {
			return err
		}
		cmd := box.Command("cat")
		cmd.Stdin = from
		if err := cmd.Start(); err != nil {
			return err
		}
		from.Close()
		cmds, pipes = append(cmds, cmd), append(pipes, to)
	}
	fmt.Printf("\n%d sandboxes that run: this program has %d KiB and %.2f threads more for each.\n", n,
		(status("VmRSS:")-before)/n, float64(status("Threads:")-threads)/float64(n))
	for i, cmd := range cmds {
		pipes[i].Close()
		if err := cmd.Wait(); err != nil {
			return err
		}
	}
	return nil
}

// status is a number of /proc/self/status.
func status(name string) (n int) {
	b, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(b), name)
	fmt.Sscan(rest, &n)
	return n
}
