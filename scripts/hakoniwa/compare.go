package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A trial is a command line for both programs.
type trial struct {
	name string
	// flags are words as sh(1) reads them, in which $D is a directory that is new for
	// each run. The flags of this trial's TOML are put after it.
	flags string
	// toml, if not "", is a configuration file, in which $D is replaced.
	toml string
	// payload is a script for sh; "" is one that shows all there is to see. A payload
	// that begins with -- is words of the command line instead.
	payload string
	// before and after are scripts for sh that are run in the directory, on the host,
	// before the program and after it. What the second prints is compared, too.
	before, after string
	// as is "root" or "user" for a trial that only they can do.
	as      string
	differs expected
}

// A comparison runs trials.
type comparison struct {
	programs      [2]string
	only          *regexp.Regexp
	verbose, root bool
	// partial is set if not all trials are run.
	partial bool
	// seen has what differed everywhere.
	seen map[string]bool
}

// compare runs the trials, and returns the exit status.
func (c *comparison) compare() int {
	who := "user"
	if c.root {
		who = "root"
	}
	c.seen = map[string]bool{}
	bad, n := 0, 0
	for _, t := range trials {
		if !c.only.MatchString(t.name) || t.as != "" && t.as != who {
			continue
		}
		n++
		theirs, err := c.run(t, 0)
		if err != nil {
			fatal(err)
		}
		ours, err := c.run(t, 1)
		if err != nil {
			fatal(err)
		}
		for _, line := range c.differences(t, theirs, ours) {
			fmt.Printf("%s (%s): %s\n", t.name, who, line)
			bad++
		}
	}
	for _, pattern := range slices.Sorted(maps.Keys(everywhere)) {
		if !c.seen[pattern] && !c.partial && everywhere[pattern].as(who) {
			fmt.Printf("everywhere (%s): %s does not differ\n", who, pattern)
			bad++
		}
	}
	fmt.Printf("%d command lines as %s: %d unexpected\n", n, who, bad)
	return min(bad, 1)
}

// facts are what a run shows, by name.
type facts map[string]string

// run runs a program on a trial.
func (c *comparison) run(t trial, program int) (facts, error) {
	dir := "/var/tmp/hk-trial-" + strconv.Itoa(os.Getuid())
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(dir+"/look", []byte(look), 0o755); err != nil {
		return nil, err
	}
	line := `exec "$0"`
	if program == 0 {
		line += " run"
	}
	if t.toml != "" {
		if err := os.WriteFile(dir+"/c.toml", []byte(strings.ReplaceAll(t.toml, "$D", dir)), 0o644); err != nil {
			return nil, err
		}
		line += " -c $D/c.toml"
	}
	line += " " + t.flags
	switch {
	case strings.HasPrefix(t.payload, "--"):
		line += " " + t.payload
	case t.payload != "":
		line += ` -- /bin/sh -c "$1"`
	default:
		line += ` -- /bin/sh -c "$LOOK"`
	}
	if out, err := c.host(dir, t.before); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", t.name, err, out)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", line, c.programs[program], t.payload)
	cmd.Dir = dir
	cmd.Env = environ(dir)
	cmd.Env = append(cmd.Env, "LOOK="+look)
	var out, messages bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &messages
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return nil, err
	}
	f := facts{"status": strconv.Itoa(status(cmd.ProcessState))}
	f.add(out.String())
	if c.verbose {
		fmt.Printf("%s %s: %s\n", t.name, path.Base(c.programs[program]), messages.String())
	}
	f["message"] = strconv.FormatBool(messages.Len() > 0)
	left, err := c.host(dir, t.after)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", t.name, err, left)
	}
	for line := range strings.Lines(left) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		f["left "+name] += value
	}
	return f, nil
}

// status is $? of a shell.
func status(p *os.ProcessState) int {
	if w := p.Sys().(syscall.WaitStatus); w.Signaled() {
		return 128 + int(w.Signal())
	}
	return p.ExitCode()
}

func environ(dir string) []string {
	return []string{"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "D=" + dir, "HOME=" + os.Getenv("HOME"), "SEEN=by the caller", "TMPDIR=/tmp"}
}

func (c *comparison) host(dir, script string) (string, error) {
	cmd := exec.Command("/bin/sh", "-ec", script)
	cmd.Dir, cmd.Env = dir, append(environ(dir), "TOML="+tomlShell)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// differences lists what differs and is not expected to, and what is and does not.
func (c *comparison) differences(t trial, theirs, ours facts) []string {
	var list []string
	used := map[string]bool{}
	names := maps.Clone(theirs)
	maps.Copy(names, ours)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		a, inA := theirs[name]
		b, inB := ours[name]
		if c.verbose {
			fmt.Printf("  %s: %q %q\n", name, a, b)
		}
		switch {
		case a == b && inA == inB:
		case theirs["status"] != ours["status"] && name != "status" && !strings.HasPrefix(name, "left "):
			// One has not run the payload, or it has not got as far.
		case strings.HasPrefix(name, "mount/") && stricter(a, b):
			c.seen["mount flags"] = true
		case c.expected(t, name, used):
		default:
			list = append(list, fmt.Sprintf("%s: hakoniwa %s, hk-run %s", name, shown(a, inA), shown(b, inB)))
		}
	}
	for pattern := range t.differs {
		name, who, _ := strings.Cut(pattern, " as ")
		if !used[pattern] && (who == "" || who == c.who()) {
			list = append(list, name+" does not differ")
		}
	}
	return list
}

func (c *comparison) who() string {
	if c.root {
		return "root"
	}
	return "user"
}

// expected reports whether a fact may differ, and notes why.
func (c *comparison) expected(t trial, name string, used map[string]bool) bool {
	found := false
	for pattern := range t.differs {
		p, who, _ := strings.Cut(pattern, " as ")
		if ok, _ := path.Match(p, name); ok && (who == "" || who == c.who()) {
			used[pattern], found = true, true
		}
	}
	if found {
		return true
	}
	for pattern := range everywhere {
		if ok, _ := path.Match(pattern, name); ok {
			c.seen[pattern], found = true, true
		}
	}
	return found
}

// stricter reports whether hk-run's mount is hakoniwa's with more flags that deny
// something.
func stricter(theirs, ours string) bool {
	a, b := strings.Fields(theirs), strings.Fields(ours)
	if len(a) < 3 || len(a) != len(b) {
		return false
	}
	flags := strings.Split(b[1], ",")
	for _, f := range strings.Split(a[1], ",") {
		if !slices.Contains(flags, f) && f != "rw" {
			return false
		}
	}
	a[1], b[1] = "", ""
	return slices.Equal(a, b)
}

func shown(v string, there bool) string {
	if !there {
		return "nothing"
	}
	return strconv.Quote(v)
}
