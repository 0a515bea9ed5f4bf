package main

import (
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"
)

// rules times Landlock domains of many rules for files, and the closure of the
// payload: hk-landlock alone, in the caller's root.
func rules(warmup, rounds int) error {
	dir, err := os.MkdirTemp("", "hk-rules-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	counts := []int{1, 10, 100, 1000}
	for i := range counts[len(counts)-1] {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), nil, 0o644); err != nil {
			return err
		}
	}
	var list []command
	for _, n := range counts {
		c, err := withRules(dir, n)
		if err != nil {
			return err
		}
		list = append(list, c)
	}
	list = append(list,
		command{name: "closure", words: []string{"hk-landlock", "--exec-closure", payload, "--"}},
		command{name: "no domain", words: []string{"hk-limit", "--core", "0", "--"}})
	took, err := turns(list, warmup, rounds)
	if err != nil {
		return err
	}
	fmt.Printf("\n%d rounds; milliseconds, median\n\n", rounds)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "Landlock rules\thk\ta rule more")
	for i, n := range counts {
		more := ""
		if i > 0 {
			more = fmt.Sprintf("%.4f", (ms(median(took[i]))-ms(median(took[i-1])))/float64(n-counts[i-1]))
		}
		fmt.Fprintf(w, "%d\t%.2f\t%s\n", n, ms(median(took[i])), more)
	}
	fmt.Fprintf(w, "--exec-closure %s\t%.2f\t\n", payload, ms(median(took[len(counts)])))
	fmt.Fprintf(w, "hk-limit, no domain\t%.2f\t\n", ms(median(took[len(counts)+1])))
	return w.Flush()
}

// withRules is a domain in which n files can be read, besides the system's. It
// is checked that these can and no other.
func withRules(dir string, n int) (command, error) {
	c := command{name: fmt.Sprintf("hk-landlock, %d rules", n), words: []string{"hk-landlock", "--rx=/usr,/bin,/lib,/lib64,/etc", "--ignore-missing"}}
	for i := range n {
		c.words = append(c.words, fmt.Sprintf("--ro=%s/%d", dir, i))
	}
	c.words = append(c.words, "--")
	got, err := c.output("/bin/sh", "-c", `n=0; for i in $(seq 0 1000); do { true <"$1/$i"; } 2>&- && n=$((n+1)); done; echo readable $n`, "sh", dir)
	if err == nil && got["readable"] != fmt.Sprint(n) {
		err = fmt.Errorf("%s can be read", got["readable"])
	}
	if err != nil {
		return c, fmt.Errorf("%s: %w", c.name, err)
	}
	return c, nil
}
