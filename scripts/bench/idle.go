package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// idle measures the anonymous memory of the processes that stay above a payload which
// only waits, or beside it, as a keeper does.
func idle(list []command, rounds int) error {
	thp, err := os.ReadFile("/sys/kernel/mm/transparent_hugepage/enabled")
	if err != nil {
		thp = []byte("not supported")
	}
	fmt.Printf("\n%d rounds; anonymous memory above an idle payload, KiB; transparent huge pages: %s\n\n", rounds, bytes.TrimSpace(thp))
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tmin\tmedian\tmax\tprocesses\tto bwrap")
	shown := []command{list[bwrap], list[asPID1], list[hkFull], list[hkPlain],
		{name: "hk-limit --wall", words: strings.Fields("hk-limit --wall 1h --")},
		{name: "hk-limit --pids, with its keeper", words: strings.Fields("hk-limit --pids 1000 --")}}
	var bwrapUses int
	for i, c := range shown {
		var kib []int
		var above int
		for range rounds {
			n, processes, err := c.idle()
			if err != nil && i > 3 {
				fmt.Fprintf(w, "%s\t%v\n", c.name, err) // this user may not make a control group
				break
			}
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			kib, above = append(kib, n), processes
		}
		if len(kib) < rounds {
			continue
		}
		slices.Sort(kib)
		if i == 0 {
			bwrapUses = kib[rounds/2]
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%.2f\n", c.name, kib[0], kib[rounds/2], kib[rounds-1], above,
			float64(kib[rounds/2])/float64(bwrapUses))
	}
	return w.Flush()
}

// idle runs sleep(1) in the sandbox, and returns the anonymous memory of the other
// processes, in KiB, and their number.
func (c *command) idle() (kib, processes int, err error) {
	words := slices.Concat(c.words, []string{"/usr/bin/sleep", "60"})
	cmd := exec.Command(words[0], words[1:]...)
	// Memory depends on the size of the environment.
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, c.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if c.filter != "" {
		f, err := os.Open(c.filter)
		if err != nil {
			return 0, 0, err
		}
		defer f.Close()
		cmd.ExtraFiles = []*os.File{f}
	}
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	defer func() {
		cmd.Process.Kill()
		cmd.Wait()
	}()
	for range 500 {
		time.Sleep(20 * time.Millisecond)
		if b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", cmd.Process.Pid)); len(b) == 0 {
			return 0, 0, fmt.Errorf("it has ended")
		}
		above, payload := tree(cmd.Process.Pid)
		if payload == 0 {
			continue
		}
		time.Sleep(100 * time.Millisecond)
		for _, pid := range above {
			n, err := anonymous(pid)
			if err != nil {
				return 0, 0, err
			}
			kib += n
		}
		return kib, len(above), nil
	}
	return 0, 0, fmt.Errorf("the payload does not run")
}

// tree lists a process and its descendants, except the payload.
func tree(pid int) (above []int, payload int) {
	name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if strings.TrimSpace(string(name)) == "sleep" {
		return nil, pid
	}
	above = []int{pid}
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, file := range lists {
		b, _ := os.ReadFile(file)
		for _, field := range strings.Fields(string(b)) {
			child, _ := strconv.Atoi(field)
			below, p := tree(child)
			above, payload = append(above, below...), max(payload, p)
		}
	}
	return above, payload
}

// anonymous is the anonymous memory of a process in KiB. Of a process that is not
// dumpable an ordinary user sees only the kernel's approximate counter.
func anonymous(pid int) (int, error) {
	key := "Anonymous:"
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		key = "RssAnon:"
		if b, err = os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)); err != nil {
			return 0, err
		}
	}
	for line := range strings.Lines(string(b)) {
		if value, ok := strings.CutPrefix(line, key); ok {
			return strconv.Atoi(strings.Fields(value)[0])
		}
	}
	return 0, fmt.Errorf("process %d: no %s", pid, key)
}
