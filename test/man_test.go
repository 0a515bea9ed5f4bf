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
	var missing []string
	for _, page := range pages {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		list := examples(string(b))
		if len(list) == 0 {
			t.Errorf("%s has no example", page)
		}
		for _, line := range list {
			if strings.Contains(line, "--pasta") && !hasPasta() {
				missing = append(missing, line)
				continue
			}
			cmd := exec.Command("timeout", strconv.Itoa(20*slow), "sh", "-c", line)
			cmd.Dir = t.TempDir()
			cmd.Env = append(os.Environ(), "PATH="+bin+":/usr/sbin:/usr/bin:/sbin:/bin", "HK_FUSE=")
			out, err := cmd.CombinedOutput()
			if n := newer(out); err != nil && n != "" {
				t.Logf("%s: missing: %s\n$ %s", filepath.Base(page), n, line)
			} else if err != nil {
				t.Errorf("%s: %v\n$ %s\n%s", filepath.Base(page), err, line, out)
			}
		}
	}
	require(t, "pasta, /dev/net/tun and a default route, for "+strings.Join(missing, "; "), missing == nil)
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
