package cli

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"hk/internal/vis"
	"hk/pkg/chain"
	"hk/pkg/plan"

	"github.com/rogpeppe/go-internal/diff"
)

// The two sides of the comparison.
const (
	unfusedName = "HK_FUSE=0"
	fusedName   = "fused"
)

// compareFused prints what the chain does with HK_FUSE=0 beside what it does fused, with all
// lines of both.
func compareFused(c *chain.Chain, find *chain.Finder, f *Front) ([]byte, error) {
	if !find.Fuse {
		return nil, errors.New("HK_FUSE=0 is set, so the stages after this one are not known: unset it to compare both")
	}
	var b bytes.Buffer
	say := func(format string, args ...any) {
		b.WriteString("# " + vis.Text(fmt.Sprintf(format, args...)) + "\n")
	}
	fused, err := c.Parts(f.Host, true)
	if err != nil && !notKnown(err) {
		return nil, err
	}
	if f.Refuses != nil {
		if why := f.Refuses(); why != nil {
			say("with HK_FUSE=0 %s refuses the chain: %v", f.Name, why)
			return b.Bytes(), nil
		}
	}
	var apart []chain.Part
	var stop error
	if f.AlwaysFused {
		say("%s performs the chain itself, whatever HK_FUSE is", f.Name)
		return b.Bytes(), nil
	} else if c.Compiled() {
		apart, stop = c.PartsApart(f.Host, find, f.Quiet)
	} else {
		apart, stop = c.Parts(f.Host, false)
	}
	old, new := explained(apart), explained(fused)
	say("with HK_FUSE=0 (-): %s; fused (+): %s", counted(apart, old), counted(fused, new))
	for i, list := range [][]chain.Part{apart, fused} {
		for _, p := range list {
			for _, text := range p.Unknown {
				say("? %s %s: %s", []string{unfusedName, fusedName}[i], p.State.Name, text)
			}
		}
	}
	for i, why := range []error{stop, err} {
		if why != nil {
			say("%s", stopped([]string{unfusedName, fusedName}[i], why))
		}
	}
	writeBeside(&b, old, new)
	return b.Bytes(), nil
}

func notKnown(err error) bool {
	var unknown *chain.UnknownError
	return errors.As(err, &unknown)
}

// stopped says why the programs from a stage on are not listed.
func stopped(side string, err error) string {
	var unknown *chain.UnknownError
	var usage *chain.UsageError
	switch {
	case errors.As(err, &unknown):
		return fmt.Sprintf("? %s %s, and what follows, is not listed: %v", side, unknown.Stage, err)
	case errors.As(err, &usage):
		return fmt.Sprintf("%s fails at %s: %v", side, usage.Stage, err)
	}
	return fmt.Sprintf("%s fails: %v", side, err)
}

func explained(parts []chain.Part) (list []plan.Explained) {
	for _, p := range parts {
		list = append(list, p.Explain()...)
	}
	return list
}

func counted(parts []chain.Part, list []plan.Explained) string {
	calls := 0
	for _, e := range list {
		if e.Syscall != "" {
			calls++
		}
	}
	return fmt.Sprintf("plans %d, calls %d", len(parts), calls)
}

// writeBeside writes all lines of two lists, each with what it is in: both, - or +.
func writeBeside(b *bytes.Buffer, old, new []plan.Explained) {
	x, y := planLines(old), planLines(new)
	fmt.Fprintf(b, "--- %s\n+++ %s\n", unfusedName, fusedName)
	lines := whole(x, diff.Diff(unfusedName, x, fusedName, y))
	only := map[byte]map[string]int{' ': {}, '-': {}, '+': {}}
	for _, l := range lines {
		only[l[0]][callOf(l)]++
	}
	for _, l := range lines {
		b.WriteString(l)
		if l[0] != ' ' {
			if note := changed(l, only); note != "" {
				b.WriteString("  # " + note)
			}
		}
		b.WriteString("\n")
	}
}

// callOf is a line without the stage and the process.
func callOf(line string) string {
	_, line, _ = strings.Cut(line[1:], " ")
	_, line, _ = strings.Cut(strings.TrimLeft(line, " "), " ")
	return strings.TrimSpace(line)
}

// changed says what has become of a call.
func changed(line string, only map[byte]map[string]int) string {
	call, other := callOf(line), byte('+')
	if line[0] == '+' {
		other = '-'
	}
	switch {
	case only[other][call] > 0:
		return "moved"
	case line[0] == '-' && only[' '][call] > 0:
		return "merged with another"
	}
	return plan.PurposeOf(call)
}

// whole is a difference with all of the lines that are the same.
func whole(x, difference []byte) (lines []string) {
	same := strings.Split(strings.TrimSuffix(string(x), "\n"), "\n")
	at := 0
	for _, l := range strings.Split(strings.TrimSuffix(string(difference), "\n"), "\n") {
		var start, n int
		switch {
		case strings.HasPrefix(l, "@@ -"):
			fmt.Sscanf(l, "@@ -%d,%d", &start, &n)
			if n > 0 {
				start--
			}
			lines = append(lines, unchanged(same[at:start])...)
			at = start
		case l == "", strings.HasPrefix(l, "diff "), strings.HasPrefix(l, "--- "), strings.HasPrefix(l, "+++ "):
		default:
			if lines = append(lines, l); l[0] != '+' {
				at++
			}
		}
	}
	return append(lines, unchanged(same[min(at, len(same)):])...)
}

func unchanged(list []string) []string {
	list = slices.Clone(list)
	for i := range list {
		list[i] = " " + list[i]
	}
	return list
}
