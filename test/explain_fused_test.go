package test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"hk/pkg/plan"
)

// TestExplainUnfused holds what --explain=diff says of HK_FUSE=0 against what each stage says
// when it runs: the stages before it are performed then, and it explains itself in the state
// that they have made.
func TestExplainUnfused(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("root's run does it as nobody too")
	}
	more := []struct {
		name string
		root bool
		line string
	}{
		{name: "full without filter", line: "hk-unshare --all hk-idmap --root hk-mount --rootfs / --proc --tmpfs /tmp hk-setuser --caps none hk-limit --nofile 200 hk-landlock --ro / --rx /usr --rw /tmp hk-seccomp --profile podman -- /usr/bin/true"},
		{name: "filter first", line: "hk-seccomp --profile none --deny ptrace hk-landlock --rwx / hk-seccomp --profile none --deny mount hk-limit --core 0 -- /usr/bin/true"},
		{name: "no caps", root: true, line: "hk-setuser --user nobody --caps none hk-unshare --user --mount hk-idmap hk-mount --in-place --tmpfs /mnt hk-limit --core 0 -- /usr/bin/true"},
		{name: "another user", root: true, line: "hk-setuser --user 65534:65534:65534 hk-landlock --rwx / hk-limit --core 0 -- /usr/bin/true"},
		{name: "in place", line: "hk-unshare --user --mount --net hk-idmap --root hk-mount --in-place --tmpfs /mnt hk-net --loopback hk-setuser --no-new-privs -- /usr/bin/true"},
		{name: "two mounts", line: "hk-unshare --user --mount --pid hk-idmap --root hk-mount --rootfs / --proc hk-mount --in-place --tmpfs /mnt -- /usr/bin/true"},
		{name: "environment", line: "hk-setuser --clearenv --setenv A=b hk-limit --core 0 hk-limit --nofile 200 -- /usr/bin/true"},
	}
	for _, as := range []string{"root", "nobody"} {
		run := func(name, line string) {
			for _, line := range withInit(line) {
				label := as + "/" + name
				if strings.Contains(line, "--init") && !strings.Contains(name, "init") {
					label += ", init"
				}
				t.Run(label, func(t *testing.T) {
					t.Parallel()
					unfused(t, as, strings.Fields(landlockLine(strings.ReplaceAll(line, "$BIN", bin))))
				})
			}
		}
		for _, c := range chains {
			first, _, _ := strings.Cut(c.line, " ")
			if (as == "root" || !c.root) && !c.pasta && !strings.Contains(c.line, "$SOCKET") && strings.HasPrefix(first, "hk-") {
				run(c.name, c.line)
			}
		}
		for _, c := range more {
			if as == "root" || !c.root {
				run("more, "+c.name, c.line)
			}
		}
	}
}

// TestExplainUnfusedFront is the same for a program that compiles a chain, which executes the
// first stage of what it prints.
func TestExplainUnfusedFront(t *testing.T) {
	ask := func(how string) string {
		cmd := exec.Command(filepath.Join(bin, "hk-run"), how, "--rootfs", "/", "--limit-core", "0", "--", "/usr/bin/true")
		cmd.Env, cmd.Dir = append(os.Environ(), "PATH="+bin+":/usr/bin:/bin", "HK_FUSE=1"), "/"
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	words := strings.Fields(strings.ReplaceAll(ask("--print"), "\\\n", " "))
	for i := range words {
		if words[i] = strings.Trim(words[i], "'"); strings.ContainsAny(words[i], "'\"$") {
			t.Fatalf("--print quotes %s", words[i])
		}
	}
	before, after, found := strings.Cut(ask("--explain=diff"), `execve("`+filepath.Join(bin, words[0])+`", `)
	if !found || strings.Count(before, "\n") > 9 { // signals that the caller ignores take a line each
		t.Fatalf("hk-run does not execute the first stage first: %s", before)
	}
	_, after, _ = strings.Cut(after, "\n")
	sameUnfused(t, "root", words, after)
}

// unfused compares, for a chain that is run by root or nobody.
func unfused(t *testing.T, as string, words []string) {
	said, stderr := runFused(t, as, "1", slices.Insert(slices.Clone(words), 1, "--explain=diff"))
	if said == "" {
		if n := newer([]byte(stderr)); n != "" {
			t.Skip("missing: ", n)
		}
		t.Fatalf("--explain=diff: %s", stderr)
	}
	sameUnfused(t, as, words, said)
}

// runFused runs a chain with HK_FUSE, and returns its output.
func runFused(t *testing.T, as, fuse string, words []string) (stdout, stderr string) {
	t.Helper()
	cmd := exec.Command(filepath.Join(bin, words[0]), words[1:]...)
	cmd.Env, cmd.Dir = append(os.Environ(), "PATH="+bin+":/usr/bin:/bin", "HK_FUSE="+fuse), "/"
	if as != "root" {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credentialOf(t, as)}
	}
	var out, messages bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &messages
	if err := cmd.Run(); err != nil && messages.Len() == 0 {
		t.Fatalf("%v: %v", words, err)
	}
	return out.String(), messages.String()
}

// sameUnfused compares what --explain=diff has said of a chain with what its stages say.
func sameUnfused(t *testing.T, as string, words []string, said string) {
	t.Helper()
	var want []string
	for l := range strings.Lines(said) {
		if (l[0] == ' ' || l[0] == '-') && !strings.HasPrefix(l, "--- ") {
			parts := diffLine.FindStringSubmatch(l[1:])
			want = append(want, parts[1]+" "+parts[2])
		}
	}
	_, stop, _ := strings.Cut(said, "HK_FUSE=0 fails at ")
	known := !strings.Contains(said, "# ? HK_FUSE=0 ")
	var got []string
	for at := 0; at < len(words) && words[at] != "--"; at++ {
		if !strings.HasPrefix(filepath.Base(words[at]), "hk-") || filepath.Base(words[max(at-1, 0)]) == "env" {
			continue
		}
		out, stderr := runFused(t, as, "0", slices.Insert(slices.Clone(words), at+1, "--explain=json"))
		var list []plan.Explained
		if err := json.Unmarshal([]byte(out), &list); err != nil {
			line, _, _ := strings.Cut(stop, "\n")
			if line == "" || !strings.Contains(stderr, line) {
				t.Errorf("%s fails where it runs: %sbut --explain=diff does not say so:\n%s", words[at], stderr, said)
			}
			stop = ""
			break
		}
		for _, e := range list {
			got = append(got, strings.TrimSpace(e.Stage+" "+lineOf(e)))
		}
		if len(got) >= len(want) && strings.Contains(said, "is not listed") {
			known = true
			break
		}
	}
	if stop != "" {
		t.Errorf("--explain=diff says: %s", stop)
	}
	for i := range max(len(got), len(want)) {
		a, b := "nothing", "nothing"
		if i < len(got) {
			a = got[i]
		}
		if i < len(want) {
			b = want[i]
		}
		if !regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(b), `\?`, `\d+`) + "$").MatchString(a) {
			if known {
				t.Fatalf("call %d where it runs is\n%s\nbut --explain=diff says\n%s", i, a, b)
			}
			t.Logf("call %d is %s; not known is what --explain=diff says: %s", i, a, b)
			return
		}
	}
}

// diffLine is a line with its stage and its call, without the process and the remark.
var diffLine = regexp.MustCompile(`^(\S+) +\S+ +(.*?)(?:  # .*)?\n?$`)

// resultNumber is the number of a result.
var resultNumber = regexp.MustCompile(`(\$[a-z_]+)\d+`)

// lineOf is an op as --explain=diff prints it.
func lineOf(e plan.Explained) string {
	line := e.Op
	if len(e.Gives) > 0 {
		line += " = " + strings.Join(e.Gives, ", ")
	}
	if len(e.Tolerated) > 0 {
		line += " or " + strings.Join(e.Tolerated, ", ")
	}
	return strings.TrimSpace(resultNumber.ReplaceAllString(line, "$1"))
}
