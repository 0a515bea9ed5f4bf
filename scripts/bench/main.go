// Bench compares the time of a sandbox made by hk with the same one made by bubblewrap
// and by a C program, and with the namespaces alone made by unshare(1). The commands
// take turns in one run. A second table is for the memory of hk and of bubblewrap while
// the payload waits; a third for 10, 100 and 1000 bind mounts, with both of them; a
// fourth for 1 to 1000 Landlock rules; a fifth for limits and control groups; a sixth for
// hk-run and hakoniwa, if it is in PATH.
//
//	bench [-rounds N] [-warmup N] FILTER PEER
//
// hk's programs, bwrap and unshare are those in PATH, FILTER is the podman profile as
// struct sock_filter[], PEER is peer.c compiled. First each command is run with a shell
// as its payload, which checks that the sandbox is the expected one.
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// payload is what is run in each sandbox.
const payload = "/usr/bin/true"

func main() {
	rounds := flag.Int("rounds", 200, "rounds that count")
	warmup := flag.Int("warmup", 10, "rounds before them")
	flag.Parse()
	if flag.NArg() != 2 || *rounds < 1 {
		fmt.Fprintln(os.Stderr, "usage: bench [-rounds N] [-warmup N] FILTER PEER")
		os.Exit(2)
	}
	if err := bench(flag.Arg(0), flag.Arg(1), *warmup, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(filter, peer string, warmup, rounds int) error {
	list, err := commands(filter, peer)
	if err != nil {
		return err
	}
	for i := range list {
		if err := list[i].check(); err != nil {
			return fmt.Errorf("%s: %w", list[i].name, err)
		}
	}
	// It is a thread whose end a parent-death signal reports.
	runtime.LockOSThread()
	debug.SetGCPercent(-1)
	took, err := turns(list, warmup, rounds)
	if err != nil {
		return err
	}
	if err := report(list, took); err != nil {
		return err
	}
	if err := idle(list, max(rounds/10, 1)); err != nil {
		return err
	}
	if err := printed(warmup, rounds); err != nil {
		return err
	}
	// A thousand binds take a while.
	if err := binds(min(warmup, 2), max(rounds/10, 1)); err != nil {
		return err
	}
	if err := rules(min(warmup, 2), max(rounds/4, 1)); err != nil {
		return err
	}
	if err := limits(min(warmup, 2), max(rounds/2, 1)); err != nil {
		return err
	}
	return hakoniwa(min(warmup, 2), max(rounds/2, 1))
}

// turns runs the commands in turn and returns how long each took.
func turns(list []command, warmup, rounds int) ([][]time.Duration, error) {
	took := make([][]time.Duration, len(list))
	for round := range warmup + rounds {
		// In a new order each time: what one leaves for the kernel to clean up
		// burdens all the others alike.
		for _, i := range rand.Perm(len(list)) {
			d, err := list[i].time()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", list[i].name, err)
			}
			if round >= warmup {
				took[i] = append(took[i], d)
			}
		}
	}
	return took, nil
}

// time runs the command and returns how long that took, from fork(2) to
// wait4(2).
func (c *command) time() (time.Duration, error) {
	argv := append(slices.Clone(c.words), payload)
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return 0, err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	attr := &syscall.ProcAttr{Env: c.environ(), Files: []uintptr{null.Fd(), null.Fd(), 2}}
	if c.filter != "" {
		f, err := os.Open(c.filter)
		if err != nil {
			return 0, err
		}
		defer f.Close()
		attr.Files = append(attr.Files, f.Fd())
	}
	var status syscall.WaitStatus
	start := time.Now()
	pid, err := syscall.ForkExec(path, argv, attr)
	if err != nil {
		return 0, err
	}
	for {
		if _, err = syscall.Wait4(pid, &status, 0, nil); err != syscall.EINTR {
			break
		}
	}
	took := time.Since(start)
	if err == nil && status != 0 {
		err = fmt.Errorf("wait status %#x", uint32(status))
	}
	return took, err
}

func report(list []command, took [][]time.Duration) error {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return err
	}
	version, err := exec.Command("bwrap", "--version").Output()
	if err != nil {
		return err
	}
	fmt.Printf("%d rounds as user ID %d; %d CPUs, Linux %s, %s; milliseconds\n\n", len(took[0]), os.Getuid(),
		runtime.NumCPU(), strings.TrimSpace(string(release)), strings.TrimSpace(string(version)))
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tmin\tmedian\tp90\tto --as-pid-1\tto bwrap")
	for i, c := range list {
		s := slices.Sorted(slices.Values(took[i]))
		fmt.Fprintf(w, "%s\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\n", c.name, ms(s[0]), ms(s[len(s)/2]), ms(s[len(s)*9/10]),
			ratio(took[i], took[asPID1]), ratio(took[i], took[bwrap]))
	}
	fmt.Fprint(w, notes)
	return w.Flush()
}

const notes = `
A ratio is the median of the rounds' ratios. hk-bwrap has bwrap's command lines. Only hk and the C program have a
Landlock domain: bwrap knows none. bwrap alone brings lo up. HK_FUSE=0 has each
stage execute the next. unshare makes the namespaces, and no mounts.
`

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func median(list []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(list))[len(list)/2]
}

// ratio is by rounds, since a slow round is slow for all.
func ratio(a, b []time.Duration) float64 {
	r := make([]float64, len(a))
	for i := range a {
		r[i] = float64(a[i]) / float64(b[i])
	}
	slices.Sort(r)
	return r[len(r)/2]
}
