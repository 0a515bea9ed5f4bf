package hakoniwa

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hk/internal/completion"
)

// TestCompletion checks that all flags are completed, and some values that the usage texts
// say.
func TestCompletion(t *testing.T) {
	var b bytes.Buffer
	if err := completion.Write(&b, "bash", programs(), nil); err != nil {
		t.Fatal(err)
	}
	for _, p := range programs() {
		for _, f := range p.Flags.All() {
			flag := regexp.MustCompile(`(?m)^\t` + p.Name + `\) _hk_r='(.* )?--` + f.Name + `( .*)?' ;;$`)
			value := regexp.MustCompile(`(?m)^\t'` + p.Name + ` --` + f.Name + `'(\|'\S+ -.')?\) _hk_r=`)
			if !flag.Match(b.Bytes()) || value.Match(b.Bytes()) != f.Value {
				t.Errorf("%s --%s, or its value, is not completed", p.Name, f.Name)
			}
		}
	}
	for flag, want := range map[string]string{
		"hk-unshare --propagation": "- private slave shared unchanged", "hk-unshare --explain": "?- text json why diff",
		"hk-mount --ro'|'hk-mount -b": "f:d", "hk-mount --try-ro": "f", "hk-mount --root": "d", "hk-landlock --ro": "lf",
		"hk-landlock --log": "- off exec subdomains", "hk-limit --cgroup": "f auto systemd", "hk-setuser --user": "u:g",
		"hk-seccomp --dump": "- bpf asm json", "hk-run --rootdir": "d:- rw", "hk-run --config'|'hk-run -c": "f", "hk-run --hostname": "",
	} {
		if line := "\t'" + flag + "') _hk_r='" + want + "' ;;\n"; !strings.Contains(b.String(), line) {
			t.Errorf("there is no line %q", line)
		}
	}
	for _, c := range [][]string{{"tcsh"}, {"bash", "ls"}} {
		if err := completion.Write(&b, c[0], programs(), c[1:]); err == nil {
			t.Errorf("Write(%q) = nil; want an error", c)
		}
	}
}

// asks are the scripts that print the candidates for lines, with what their shells need
// not to read the configuration of a user.
var asks = map[string][]string{
	"bash": {"ask.bash"}, "zsh": {"-f", "ask.zsh"}, "fish": {"-N", "ask.fish"}, "elvish": {"-norc", "ask.elv"},
}

// ask returns the candidates for each line.
func ask(t *testing.T, dir, shell string, lines []string) map[string][]string {
	t.Helper()
	cmd := exec.Command(shell, append(asks[shell], lines...)...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + dir + "/bin:/usr/bin:/bin", "HOME=" + dir, "TERM=dumb", "XDG_CONFIG_HOME=" + dir, "XDG_DATA_HOME=" + dir}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got := map[string][]string{}
	line := ""
	for _, text := range strings.Split(strings.TrimSuffix(string(out), "\n"), "\n") {
		if next, ok := strings.CutPrefix(text, "# "); ok {
			line = next
			got[line] = []string{}
		} else if got[line] != nil {
			got[line] = append(got[line], text)
		} else {
			t.Fatalf("%s before the candidates of a line:\n%s", text, out)
		}
	}
	return got
}

// TestShells asks each shell for candidates.
func TestShells(t *testing.T) {
	for _, shell := range completion.Shells {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(shell); err != nil {
				if os.Getenv("HK_TEST_STRICT") == "1" {
					t.Fatal(err)
				}
				t.Skip(err)
			}
			dir := t.TempDir()
			fill(t, dir, shell)
			var lines []string
			for _, c := range completed {
				lines = append(lines, c.line)
			}
			got := ask(t, dir, shell, lines)
			for _, c := range completed {
				if got[c.line] == nil {
					t.Errorf("%q: no answer", c.line)
				}
				check(t, c.line, got[c.line], strings.Fields(c.want), strings.Fields(c.not))
			}
		})
	}
}

// completed are lines with some candidates for their last words, and with words that are
// none.
var completed = []struct{ line, want, not string }{
	{"hk-unshare --propaga", "--propagation", "--pid"},
	{"hk-unshare --propagation ", "private slave shared unchanged", "here"},
	{"hk-unshare --propagation=sl", "slave", "shared"},
	{"hk-unshare --share uts,mo", "mount", "net"},
	{"hk-unshare -Um --host", "--hostname", "--propagation"},
	{"hk-unshare --hostname --pid --init --prop", "--propagation", "--pid"},
	{"hk-unshare --hostname ", "", "private here hk-mount"},
	{"hk-unshare --user hk-mo", "hk-mount", "--user"},
	{"hk-unshare --user -- hk-mo", "hk-mount", "--user"},
	{"hk-unshare --user hk-mount --root", "--rootfs --root-rw", "--uts --user"},
	{"hk-unshare --user hk-mount --rootfs / hk-setuser --caps ", "none all", "here"},
	{"hk-mount --root he", "here", "hello"},
	{"hk-mount --ro hel", "hello", "here"},
	{"hk-mount --ro hello:he", "here", "hello:hello"},
	{"hk-mount --rootfs=he", "here", "hello"},
	{"hk-landlock --ro hello,he", "here hello", "private"},
	{"hk-limit --cgroup a", "auto", "systemd"},
	{"hk-setuser --user roo", "root", "none"},
	{"hk-limit --nofile 5 play", "player", "hk-limit"},
	{"hk-limit --nofile 5 -- player --lo", "--loud", "--locks --soft"},
	{"hk-limit player --lo", "--loud", "--locks"},
	{"hk-limit -- player --lo", "--loud", "--locks"},
	{"hk-run --seccomp ", "podman unconfined", "private"},
	{"hk-run --net", "--network", "--user"},
	{"hk-run --print -- play", "player", "--print"},
	{"hk-run -- player --lo", "--loud", "--locks"},
	{"hk-run comp", "completion", "player"},
	{"hk-run completion ", "bash zsh fish elvish", "hk-mount"},
	{"hk-run completion zsh hk-li", "hk-limit", "bash hk-mount"},
}

// check compares candidates, of which only the part after the last separator counts, as
// shells differ in what they replace.
func check(t *testing.T, line string, got, want, not []string) {
	var words []string
	for _, g := range got {
		g = strings.TrimRight(strings.TrimSpace(g), "/=")
		words = append(words, g[strings.LastIndexAny(g, "=:,")+1:])
	}
	// Shells may leave it to the user interface to leave out what does not match.
	prefix := line[strings.LastIndexAny(line, " =:,")+1:]
	for _, w := range want {
		if !slices.Contains(words, w) {
			t.Errorf("%q: no %q in %q", line, w, words)
		}
	}
	for _, w := range words {
		if slices.Contains(not, w) && strings.HasPrefix(w, prefix) || slices.Contains(not, w) && prefix == "" {
			t.Errorf("%q: %q", line, w)
		}
	}
}

// fill makes a directory with the completions for a shell, a script that asks for them,
// programs, and files.
func fill(t *testing.T, dir, shell string) {
	t.Helper()
	var b bytes.Buffer
	if err := completion.Write(&b, shell, programs(), nil); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"hk": b.String(), "hello": "", "bin/player": "#!/bin/sh\n"}
	for _, p := range programs() {
		files["bin/"+p.Name] = "#!/bin/sh\n"
	}
	asks, err := filepath.Glob("testdata/ask.*")
	if err != nil || len(asks) != len(completion.Shells) {
		t.Fatal(asks, err)
	}
	for _, f := range asks {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(f)] = string(text)
	}
	for _, d := range []string{"here", "bin", "fpath"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	files["fpath/_hk"] = b.String()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(fmt.Errorf("%s: %w", name, err))
		}
	}
}
