// Mutate weakens hk in one place at a time, as listed in the file list, and runs the
// tests that should notice: a mutant that survives shows that a test is missing.
//
//	go run ./scripts/mutate [-v] [-name REGEXP] [PACKAGE...]
//
// Without packages it tries all mutants. A golden plan is not such a test: whoever
// changes a plan regenerates it. As root the tests run as root and, where the list says
// so, as an ordinary user; they then run programs that are broken on purpose.
package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

//go:embed list
var list string

// golden are the tests that compare with a golden plan.
const golden = "^TestPlans$"

// limit is how long the tests of one mutant may take. What hangs is noticed.
const limit = "10m"

func main() {
	verbose := flag.Bool("v", false, "say how each was noticed")
	name := flag.String("name", "", "try only those whose name matches `REGEXP`")
	flag.Parse()
	all, err := parse(list)
	if err != nil {
		fatal(fmt.Errorf("list: %w", err))
	}
	want, err := regexp.Compile(*name)
	if err != nil {
		fatal(err)
	}
	var chosen []mutant
	for _, m := range all {
		if of(m, flag.Args()) && want.MatchString(m.name) {
			chosen = append(chosen, m)
		}
	}
	if len(chosen) == 0 {
		fatal(fmt.Errorf("the list has no such mutant"))
	}
	// An interrupt ends the tests too, and so they are not what has noticed.
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	if err := control(chosen); err != nil {
		fatal(err)
	}
	survived, broken := 0, 0
	for _, m := range chosen {
		if m.equivalent != "" {
			fmt.Printf("equivalent  %s: %s\n", m.name, m.equivalent)
			continue
		}
		start := time.Now()
		by, err := try(m)
		select {
		case <-interrupted:
			os.Exit(130)
		default:
		}
		switch {
		case err != nil:
			broken++
			fmt.Printf("BROKEN      %s: %v\n", m.name, err)
		case by == "":
			survived++
			fmt.Printf("SURVIVED    %s: %s: %s\n", m.name, m.file, m.why)
		case *verbose:
			fmt.Printf("noticed     %s: %s (%.0fs)\n", m.name, by, time.Since(start).Seconds())
		}
	}
	fmt.Printf("%d mutants, %d survived, %d cannot be tried\n", len(chosen), survived, broken)
	if survived+broken > 0 {
		os.Exit(1)
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "mutate:", err)
	os.Exit(2)
}

// of reports whether a mutant is in one of the packages, as "./pkg/mount".
func of(m mutant, packages []string) bool {
	return len(packages) == 0 || slices.ContainsFunc(packages, func(p string) bool {
		return filepath.Clean(p) == m.dir()
	})
}

// control runs all that the mutants are tried with on the source as it is: where
// that fails, all would seem to be noticed.
func control(chosen []mutant) error {
	packages, behaviour, all := []string{}, []string{}, false
	for _, m := range chosen {
		if m.equivalent != "" {
			continue
		}
		packages = append(packages, m.packages()...)
		all = all || m.test == ""
		if m.test != "" && m.test != "unit" {
			behaviour = append(behaviour, m.test)
		}
	}
	slices.Sort(packages)
	runs := []run{goTest("", append([]string{"-skip=" + golden}, slices.Compact(packages)...)...)}
	switch {
	case all:
		runs = append(runs, goTest("", "./test"))
	case len(behaviour) > 0:
		runs = append(runs, goTest("", "-run="+strings.Join(behaviour, "|"), "./test"))
	}
	for _, r := range runs {
		if out, err := r.run(); err != nil {
			return fmt.Errorf("%s fails as it is: %v\n%s", r, err, out)
		}
	}
	return nil
}

// try returns which test has noticed a mutant, or "".
func try(m mutant) (by string, err error) {
	dir, err := os.MkdirTemp("", "hk-mutate-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	overlay, err := m.overlay(dir)
	if err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-overlay="+overlay, "./internal/...", "./pkg/...")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("it does not build: %v\n%s", err, out)
	}
	for _, r := range m.tests(overlay) {
		if out, err := r.run(); err != nil {
			return reason(out), nil
		}
	}
	return "", nil
}

// overlay writes the changed file to dir, and a file for -overlay that puts it in
// the place of the source.
func (m mutant) overlay(dir string) (string, error) {
	b, err := os.ReadFile(m.file)
	if err != nil {
		return "", err
	}
	text, err := m.apply(string(b))
	if err != nil {
		return "", err
	}
	file, err := filepath.Abs(m.file)
	if err != nil {
		return "", err
	}
	changed, name := filepath.Join(dir, filepath.Base(file)), filepath.Join(dir, "overlay.json")
	by, err := json.Marshal(map[string]any{"Replace": map[string]string{file: changed}})
	if err == nil {
		err = os.WriteFile(changed, []byte(text), 0o644)
	}
	if err == nil {
		err = os.WriteFile(name, by, 0o644)
	}
	return name, err
}

// A run is one go test.
type run struct {
	args    []string
	overlay string
}

func (r run) String() string { return "go " + strings.Join(r.args, " ") }

// packages are those whose tests are for the package: plans are performed by package run.
func (m mutant) packages() []string {
	if m.dir() == "pkg/plan" {
		return []string{"./pkg/plan", "./pkg/run"}
	}
	return []string{"./" + m.dir()}
}

// tests are those that ought to notice a mutant: the package's own, and then those
// of behaviour that the list names, or all.
func (m mutant) tests(overlay string) []run {
	runs := []run{goTest(overlay, append([]string{"-skip=" + golden}, m.packages()...)...)}
	switch m.test {
	case "unit":
	case "":
		runs = append(runs, goTest(overlay, "./test"))
	default:
		runs = append(runs, goTest(overlay, "-run="+m.test, "./test"))
	}
	return runs
}

func goTest(overlay string, args ...string) run {
	return run{append([]string{"test", "-count=1", "-timeout=" + limit}, args...), overlay}
}

func (r run) run() ([]byte, error) {
	cmd := exec.Command("go", r.args...)
	// The tests of behaviour build the programs, and these go commands see it too.
	if r.overlay != "" {
		cmd.Env = append(os.Environ(), "GOFLAGS="+os.Getenv("GOFLAGS")+" -overlay="+r.overlay)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	out, err := cmd.CombinedOutput()
	if err == nil && bytes.Contains(out, []byte("[no tests to run]")) {
		err = fmt.Errorf("there is no such test")
	}
	return out, err
}

var failed = regexp.MustCompile(`(?m)^ *--- FAIL: (\S+)`)

// reason is the last test that has failed, or else what was said last.
func reason(out []byte) string {
	if list := failed.FindAllSubmatch(out, -1); list != nil {
		return string(list[len(list)-1][1])
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[max(0, len(lines)-2)]
}
