package test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// columns are the shapes of chains in the tables of hk-chain(7). T is the PID of a
// target to join, and FILE a new file.
var columns = []struct{ name, line string }{
	{"in place", "hk-setuser --no-new-privs hk-limit --core 0"},
	{`\-\-user`, "hk-unshare --user hk-idmap --root hk-limit --core 0"},
	{`\-\-pid`, "hk-unshare --user --pid hk-idmap --root hk-limit --core 0"},
	{`\-\-init`, "hk-unshare --user --pid --init hk-idmap --root hk-limit --core 0"},
	{`\-\-join`, "hk-unshare --join user,pid=T hk-limit --core 0"},
	{`\-\-learn`, "hk-limit --core 0 hk-seccomp --learn FILE"},
	{`\-\-wall`, "hk-setuser --no-new-privs hk-limit --core 0 --wall 1h"},
	{`\-\-pids`, grouped},
}

const grouped = "hk-setuser --no-new-privs hk-limit --core 0 --pids 4000"

// A row is an event, and what it does to a chain of each shape.
type row struct {
	event string
	// n are the exit statuses or signals for which n stands in the event.
	n []int
	// do causes the event and returns the contents of the cell; want is what it should
	// return.
	do   func(c *cell, want string) string
	want []string
}

// A cell is one shape under one event.
type cell struct {
	*testing.T
	line string
	n    int
}

func signals(list ...unix.Signal) (n []int) {
	for _, s := range list {
		n = append(n, int(s))
	}
	return n
}

var deadly = signals(unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2, unix.SIGPIPE, unix.SIGABRT, unix.SIGSEGV)

// every is the same cell for every shape.
func every(cell string) []string { return slices.Repeat([]string{cell}, len(columns)) }

// statuses is the table of what a shell sees.
var statuses = []row{
	{"exits with n", []int{0, 3, 42, 255}, returns, every("n")},
	{"not found", nil, func(c *cell, _ string) string { return c.status("/nonexistent") }, every("127")},
	{"not executable", nil, func(c *cell, _ string) string { return c.status("/etc/passwd") }, every("126")},
	{"raises n", append(slices.Clone(deadly), int(unix.SIGKILL)), raises, []string{"128+n", "128+n", "-", "128+n", "128+n", "128+n", "128+n", "128+n"}},
	{"calls abort(3)", nil, func(c *cell, _ string) string { return c.status("perl", "-MPOSIX", "-e", "abort") }, []string{"134", "134", "139", "134", "134", "134", "134", "134"}},
	{"has a fault", nil, func(c *cell, _ string) string { return c.status("perl", "-e", `unpack "p", pack "L!", 1`) }, every("139")},
	{"n to the chain", append(slices.Clone(deadly), int(unix.SIGKILL)), signalled, every("128+n")},
	{"n, but ignored", deadly, ignores, every("-")},
	{`Ctrl-C, Ctrl-\e`, signals(unix.SIGINT, unix.SIGQUIT), types, every("128+n")},
	{"Ctrl-Z, fg", nil, func(c *cell, _ string) string { return c.stopped("fg") }, every("-")},
	{"Ctrl-Z, bg", nil, func(c *cell, _ string) string { return c.stopped("bg; wait %1") }, every("-")},
	{"resized", nil, resized, every("told")},
	{"terminal closed", nil, hungUp, every("129")},
	{"time is over", nil, overTime(10000, ""), every("124")},
	{"and n ignored", nil, overTime(50, "trap '' TERM; "), every("137")},
	{"no processes", nil, noProcess, every("125")},
}

// survivors is the table of what lives on.
var survivors = []row{
	{"ends: child", nil, leaves(""), []string{"lives", "lives", "killed", "killed", "lives", "awaited", "lives", "killed"}},
	{"ends: daemon", nil, leaves("setsid"), []string{"lives", "lives", "killed", "killed", "lives", "awaited", "lives", "killed"}},
	{"KILL: it", nil, loses(thePayload), every("killed")},
	{"KILL: child", nil, loses(theChild), []string{"lives", "lives", "killed", "killed", "lives", "lives", "lives", "killed"}},
	{"parent: it", nil, orphaned(thePayload, ""), every("lives")},
	{"parent: child", nil, orphaned(theChild, ""), every("lives")},
	{"dies: it", nil, orphaned(thePayload, "--die-with-parent"), every("killed")},
	{"dies: child", nil, orphaned(theChild, "--die-with-parent"), []string{"lives", "lives", "killed", "killed", "lives", "lives", "lives", "killed"}},
}

var update = flag.Bool("update", false, "write the tables in hk-chain(7) anew")

// TestShapesTables compares the tables with those of hk-chain(7).
func TestShapesTables(t *testing.T) {
	sources(t)
	const page = "../docs/man/hk-chain.7"
	const begin, end = `.\" Written by go test ./test -run TestShapesTables -update:` + "\n", `.\" End of what is written.` + "\n"
	text := readFile(t, page)
	parts := strings.Split(text, begin)
	tables := []string{table(statuses), table(survivors)}
	if len(parts) != 1+len(tables) {
		t.Fatalf("%s has %d places for tables; want %d", page, len(parts)-1, len(tables))
	}
	for i, want := range tables {
		got, after, ok := strings.Cut(parts[i+1], end)
		if !ok || got != want && !*update {
			t.Errorf("%s: the table is\n%swant\n%s", page, got, want)
		}
		parts[i+1] = want + end + after
	}
	if *update && !t.Failed() {
		if err := os.WriteFile(page, []byte(strings.Join(parts, begin)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// table is a list of mdoc(7).
func table(rows []row) string {
	var b strings.Builder
	widest := ""
	for _, r := range rows {
		if event := strings.ReplaceAll(r.event, `\e`, `\`); len(event) > len(widest) {
			widest = event
		}
	}
	fmt.Fprintf(&b, ".Bl -column %q", widest)
	for i, c := range columns {
		widest = strings.ReplaceAll(c.name, `\-`, "-")
		for _, r := range rows {
			if len(r.want[i]) > len(widest) {
				widest = r.want[i]
			}
		}
		fmt.Fprintf(&b, " %q", widest)
	}
	b.WriteString("\n.It")
	for _, c := range columns {
		b.WriteString(" Ta " + c.name)
	}
	for _, r := range rows {
		fmt.Fprintf(&b, "\n.It %s Ta %s", r.event, strings.Join(r.want, " Ta "))
	}
	b.WriteString("\n.El\n")
	return b.String()
}

// TestShapes compares what happens with the tables.
func TestShapes(t *testing.T) {
	t.Parallel()
	require(t, "perl (package perl-base)", have("perl"))
	joined := sync.OnceValue(func() int { return target(t) })
	for i, column := range columns {
		for _, fuse := range []string{"", "HK_FUSE=0 "} {
			t.Run(strings.TrimSpace(fuse+column.name), func(t *testing.T) {
				line := fuse + column.line
				if strings.Contains(line, "=T") {
					line = strings.Replace(line, "=T", fmt.Sprintf("=%d", joined()), 1)
				}
				t.Parallel()
				if column.line == grouped && start(t, line, "true").end() != "0" {
					require(t, "control groups that root can make", os.Getuid() != 0)
					t.Skip("this user may not change a control group")
				}
				dir := t.TempDir()
				for j, row := range slices.Concat(statuses, survivors) {
					for k, n := range append(slices.Clone(row.n), -1)[:max(1, len(row.n))] {
						if fuse != "" && k > 0 { // all are in TestSignalEnds
							break
						}
						// The run before may still write its file.
						line := strings.Replace(line, "FILE", filepath.Join(dir, fmt.Sprintf("learned-%d-%d", j, k)), 1)
						if got := row.do(&cell{t, line, n}, row.want[i]); got != row.want[i] {
							t.Errorf("%s: %s (%d): %s; want %s", line, row.event, n, got, row.want[i])
						}
					}
				}
			})
		}
	}
}
