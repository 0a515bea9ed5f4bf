package test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// programs are the sections of docs/programs.md, and what they need.
var programs = []struct {
	title, needs string
}{
	{"make", "make cc"},
	{"go build", "go"},
	{"python", "/usr/bin/python3"},
	{"node", "node"},
	{"git", "git"},
	{"nginx", "nginx curl"},
	{"PostgreSQL", "/usr/lib/postgresql"},
	{"redis", "redis-server redis-cli"},
	{"sshd", "/usr/sbin/sshd nc"},
	{"bash and vim", "script vim"},
	{"gdb and strace", "gdb strace cc"},
	{"apt", "mmdebstrap newuidmap apt-get"},
	{"A program with windows", "/usr/bin/python3"},
	{"hk and bwrap", "bwrap"},
}

// TestPrograms runs the chains of docs/programs.md as they are printed: those whose titles
// HK_TEST_PROGRAMS lists, with commas, or all.
func TestPrograms(t *testing.T) {
	list := os.Getenv("HK_TEST_PROGRAMS")
	if list == "" {
		t.Skip("run by make test-programs")
	}
	t.Parallel()
	file := "../docs/programs.md"
	if asUser {
		file = filepath.Join(bin, "programs.md")
	}
	text := readFile(t, file)
	sections := strings.Split(text, "\n## ")[1:]
	if len(sections) != len(programs) {
		t.Errorf("%d sections, %d are known", len(sections), len(programs))
	}
	for i, p := range programs {
		title, body, _ := strings.Cut(sections[i], "\n")
		if title != p.title {
			t.Fatalf("a section is called %q, not %q", title, p.title)
		}
		if list != "all" && !slices.Contains(strings.Split(list, ","), title) {
			continue
		}
		t.Run(strings.ReplaceAll(title, " ", "-"), func(t *testing.T) {
			for _, need := range strings.Fields(p.needs) {
				_, err := os.Stat(need)
				require(t, need, err == nil || have(need))
			}
			if title == "apt" {
				require(t, "pasta, /dev/net/tun for everybody, and a default route", hasPasta() && (!asUser || tunForAll()))
			}
			dir := openDir(t)
			os.Chmod(dir, 0o755) // sshd refuses what others can change
			for _, e := range fenced(body) {
				if e.language != "sh" {
					continue
				}
				out, err := pasteFor(600, dir, e.text, "PATH="+bin+":/usr/local/go/bin:/usr/sbin:/usr/bin:/sbin:/bin")
				if !printed(e.output).MatchString(out) {
					t.Errorf("%s%v\n%swant\n%s", e.text, err, out, e.output)
				}
			}
		})
	}
}
