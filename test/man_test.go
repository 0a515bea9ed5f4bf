package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestManExamples runs every example in the manual pages.
func TestManExamples(t *testing.T) {
	sources(t)
	if os.Getuid() != 0 {
		t.Skip("some examples are root's")
	}
	t.Parallel()
	pages, err := filepath.Glob("../docs/man/*")
	if err != nil || len(pages) == 0 {
		t.Fatal("no pages", err)
	}
	for _, page := range pages {
		if filepath.Ext(page) == ".5" {
			continue // TestManFiles
		}
		list := examples(readFile(t, page))
		if len(list) == 0 {
			t.Errorf("%s has no example", page)
		}
		for _, line := range list {
			t.Run(filepath.Base(page), func(t *testing.T) {
				t.Parallel()
				manExample(t, line)
			})
		}
	}
}

func manExample(t *testing.T, line string) {
	if strings.Contains(line, "--pasta") {
		require(t, "pasta, /dev/net/tun and a default route", hasPasta())
	}
	cmd := exec.Command("timeout", strconv.Itoa(20*slow), "sh", "-c", line)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "PATH="+bin+":/usr/sbin:/usr/bin:/sbin:/bin", "HK_FUSE=")
	out, err := cmd.CombinedOutput()
	if n := newer(out); err != nil && n != "" {
		t.Logf("missing: %s\n$ %s", n, line)
	} else if err != nil {
		t.Errorf("%v\n$ %s\n%s", err, line, out)
	}
}

// TestManFiles loads every file in the manual page of configuration files, and runs the
// commands after it, for which it is x.toml.
func TestManFiles(t *testing.T) {
	sources(t)
	page := readFile(t, "../docs/man/hk-run.toml.5")
	_, page, _ = strings.Cut(page, ".Sh EXAMPLES")
	file := ""
	for _, block := range strings.Split(page, ".Bd -literal -offset indent\n")[1:] {
		text, _, _ := strings.Cut(block, ".Ed\n")
		list := examples(text)
		if list == nil {
			file, list = text, []string{"hk-run -c ./x.toml --print"}
		}
		for _, line := range list {
			cmd := exec.Command("timeout", strconv.Itoa(20*slow), "sh", "-c", line)
			cmd.Dir = t.TempDir()
			cmd.Env = append(os.Environ(), "PATH="+bin+":/usr/sbin:/usr/bin:/sbin:/bin", "HK_FUSE=", "PWD="+cmd.Dir)
			if err := os.WriteFile(filepath.Join(cmd.Dir, "x.toml"), []byte(file), 0o644); err != nil {
				t.Fatal(err)
			}
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n$ %s\n%s\n%s", err, line, file, out)
			}
		}
	}
}

// examples are the lines of a page that start with "$ ", with their continuation lines.
func examples(page string) []string {
	var list []string
	continued := false
	for _, line := range strings.Split(page, "\n") {
		line = strings.NewReplacer(`\e`, `\`, `\-`, "-", `\(aq`, "'", `\(dq`, `"`, `\&`, "").Replace(line)
		switch rest, ok := strings.CutPrefix(line, "$ "); {
		case ok:
			list = append(list, rest)
		case continued:
			list[len(list)-1] += "\n" + line
		default:
			continue
		}
		continued = strings.HasSuffix(line, `\`)
	}
	return list
}

// TestManLint checks the pages with mandoc.
func TestManLint(t *testing.T) {
	sources(t)
	require(t, "mandoc", have("mandoc"))
	pages, _ := filepath.Glob("../docs/man/*")
	out, err := exec.Command("mandoc", append([]string{"-T", "lint", "-W", "warning"}, pages...)...).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}
