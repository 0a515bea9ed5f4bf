package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

// binds times sandboxes of many mounts: hk's and bwrap's take turns.
func binds(warmup, rounds int) error {
	counts := []int{10, 100, 1000}
	var list []command
	for _, n := range counts {
		hk, bwrap, err := withBinds(n)
		if err != nil {
			return err
		}
		list = append(list, hk, bwrap)
	}
	took, err := turns(list, warmup, rounds)
	if err != nil {
		return err
	}
	fmt.Printf("\n%d rounds; milliseconds, median\n\n", rounds)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "binds\thk\tbwrap\tto bwrap\thk, a bind more")
	for i, n := range counts {
		hk, bwrap := took[2*i], took[2*i+1]
		more := ""
		if i > 0 {
			more = fmt.Sprintf("%.4f", (ms(median(hk))-ms(median(took[2*i-2])))/float64(n-counts[i-1]))
		}
		fmt.Fprintf(w, "%d\t%.2f\t%.2f\t%.2f\t%s\n", n, ms(median(hk)), ms(median(bwrap)), ratio(hk, bwrap), more)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return manyMounts()
}

// manyMounts times hk with more binds, and with masks. bwrap takes no more than 9000
// words, which is 3000 binds.
func manyMounts() error {
	counts := []int{1000, 10000, 20000}
	const rounds = 3
	var list []command
	for _, n := range counts {
		for _, flags := range [][]string{{"--ro=/etc:/binds/%d"}, {"--dir=/masks/%d", "--mask=/masks/%d"}} {
			c := command{name: fmt.Sprintf("hk, %d of %s", n, flags[len(flags)-1]),
				words: strings.Fields("hk-unshare --user --mount hk-idmap --root hk-mount --rootfs /")}
			for i := range n {
				for _, flag := range flags {
					c.words = append(c.words, fmt.Sprintf(flag, i))
				}
			}
			c.words = append(c.words, "--")
			list = append(list, c)
		}
	}
	took, err := turns(list, 1, rounds)
	if err != nil {
		return err
	}
	fmt.Printf("\n%d rounds; milliseconds, median, and for each mount; bwrap takes 3000 binds at most\n\n", rounds)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "mounts\thk, binds\tone\thk, masks\tone")
	for i, n := range counts {
		b, m := ms(median(took[2*i])), ms(median(took[2*i+1]))
		fmt.Fprintf(w, "%d\t%.0f\t%.3f\t%.0f\t%.3f\n", n, b, b/float64(n), m, m/float64(n))
	}
	return w.Flush()
}

// withBinds are a user and a mount namespace with the system directories and n
// read-only binds more. It is checked that both have them.
func withBinds(n int) (hk, bwrap command, err error) {
	args, err := topArgs()
	if err != nil {
		return hk, bwrap, err
	}
	hk = command{name: fmt.Sprintf("hk, %d binds", n),
		words: strings.Fields("hk-unshare --user --mount hk-idmap --root hk-mount --rootfs /")}
	bwrap = command{name: fmt.Sprintf("bwrap, %d binds", n),
		words: slices.Concat([]string{"bwrap", "--unshare-user", "--uid", "0", "--gid", "0"}, args)}
	for i := range n {
		hk.words = append(hk.words, fmt.Sprintf("--ro=/etc:/binds/%d", i))
		bwrap.words = append(bwrap.words, "--ro-bind", "/etc", fmt.Sprintf("/binds/%d", i))
	}
	hk.words = append(hk.words, "--")
	bwrap.words = append(bwrap.words, "--remount-ro", "/", "--")
	for _, c := range []*command{&hk, &bwrap} {
		got, err := c.output("/bin/sh", "-c", "set -- /binds/*/passwd; echo there $#")
		if err != nil {
			return hk, bwrap, fmt.Errorf("%s: %w", c.name, err)
		}
		if got["there"] != fmt.Sprint(n) {
			return hk, bwrap, fmt.Errorf("%s: there are %s", c.name, got["there"])
		}
	}
	return hk, bwrap, nil
}
