package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// limits times what hk-limit costs: a supervisor, a control group, beside timeout(1) and,
// where there are these, hakoniwa, isolate and a scope of systemd. With control groups it
// then makes many sandboxes, one after another and at once, of which none may fail and
// nothing may be left.
func limits(warmup, rounds int) error {
	list := []command{
		{name: "hk-limit --core 0 (in place)", words: []string{"hk-limit", "--core", "0", "--"}},
		{name: "hk-limit --wall 60", words: []string{"hk-limit", "--wall", "60", "--"}},
		{name: "hk-limit --wall 60 --report", words: []string{"hk-limit", "--wall", "60", "--report", os.DevNull, "--"}},
		{name: "hk-limit --max-output 1M", words: []string{"hk-limit", "--max-output", "1M", "--"}},
		{name: "timeout 60", words: []string{"timeout", "60"}},
	}
	group := command{name: "hk-limit --memory 256M --pids 100", words: []string{"hk-limit", "--memory", "256M", "--pids", "100", "--"}}
	_, err := group.output("true")
	grouped := err == nil
	if grouped {
		list = append(list, group)
	}
	both := strings.Fields("--cgroup-memory 256MiB --cgroup-pids-limit 100 --")
	hkRun := command{name: "hk-run, these limits", words: append([]string{"hk-run"}, both...)}
	if grouped {
		list = append(list, hkRun)
	}
	hakoniwa := command{name: "hakoniwa run, these limits", words: append([]string{"hakoniwa", "run"}, both...)}
	if _, err := hakoniwa.output(payload); err == nil && grouped {
		list = append(list, hakoniwa)
	}
	// Its control groups need version 2 and a keeper of its own, which systemd starts.
	isolate := command{name: "isolate --init, --run, --cleanup, limits of each process", words: []string{"sh", "-c",
		`isolate --init >/dev/null && isolate -s --run --wall-time=60 --mem=262144 --processes=100 -- "$@" && isolate --cleanup`, "sh"}}
	if _, err := isolate.output(payload); err == nil {
		list = append(list, isolate)
	}
	scope := command{name: "systemd-run --scope, same limits", words: []string{"systemd-run", "--scope", "-q", "-p", "MemoryMax=256M", "-p", "TasksMax=100", "--"}}
	if os.Getuid() != 0 {
		scope.words = append([]string{"systemd-run", "--user"}, scope.words[1:]...)
	}
	if _, err := scope.output("true"); err == nil {
		list = append(list, scope)
	}
	took, err := turns(list, warmup, rounds)
	if err != nil {
		return err
	}
	fmt.Printf("\n%d rounds; milliseconds\n\n", rounds)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "Limits\tmedian\tto timeout(1)")
	for i, c := range list {
		fmt.Fprintf(w, "%s\t%.2f\t%.2f\n", c.name, ms(median(took[i])), ratio(took[i], took[4]))
	}
	if err := w.Flush(); err != nil || !grouped {
		if err == nil {
			fmt.Println("no control groups: this user cannot create any here")
		}
		return err
	}
	return manyGroups(group, 1000, 200)
}

// manyGroups makes sandboxes with a control group each.
func manyGroups(c command, sequence, atOnce int) error {
	before := groups()
	c.words = append(append([]string{}, c.words[:len(c.words)-1]...), "hk-unshare", "--user", "--pid", "hk-idmap", "--")
	start := time.Now()
	for range sequence {
		if _, err := c.time(); err != nil {
			return fmt.Errorf("one of %d with a control group: %w", sequence, err)
		}
	}
	fmt.Printf("\n%d sandboxes with a control group, one after another: %.2f ms each\n", sequence, ms(time.Since(start))/float64(sequence))
	var all sync.WaitGroup
	errs := make(chan error, atOnce)
	start = time.Now()
	for range atOnce {
		all.Go(func() {
			_, err := c.time()
			errs <- err
		})
	}
	all.Wait()
	took := time.Since(start)
	close(errs)
	for err := range errs {
		if err != nil {
			return fmt.Errorf("one of %d at once: %w", atOnce, err)
		}
	}
	fmt.Printf("%d at once: %.2f ms each\n", atOnce, ms(took)/float64(atOnce))
	if left := groups() - before; left > 0 {
		return fmt.Errorf("%d control groups are left", left)
	}
	if out, err := exec.Command("pgrep", "-c", "-x", "hk-cgroup-keepe").Output(); err == nil {
		return fmt.Errorf("%s keepers are left", strings.TrimSpace(string(out)))
	}
	return nil
}

// groups counts the groups that keepers have made.
func groups() (n int) {
	for _, depth := range []string{"*", "*/*", "*/*/*", "*/*/*/*", "*/*/*/*/*"} {
		found, _ := filepath.Glob("/sys/fs/cgroup/" + depth + "/hk-*-*-*")
		n += len(found)
	}
	return n
}
