package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// learnRun runs a command in a directory, with hk's programs in PATH.
func learnRun(t *testing.T, dir string, args ...string) (out string, status int) {
	t.Helper()
	cmd := exec.Command("timeout", append([]string{"-s", "KILL", "100"}, args...)...)
	cmd.Dir = dir
	home := filepath.Join(filepath.Dir(dir), "home")
	cmd.Env = []string{"PATH=" + bin + ":/usr/bin:/bin:/usr/sbin", "HOME=" + home, "TMPDIR=" + filepath.Join(dir, "tmp"), "D=" + dir, own}
	b, err := cmd.CombinedOutput()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	return string(b), cmd.ProcessState.ExitCode()
}

// rulesOf are the lines of a file of rules, without comments.
func rulesOf(t *testing.T, file string) (lines []string) {
	for _, l := range strings.Split(readFile(t, file), "\n") {
		if l != "" && l[0] != '#' {
			lines = append(lines, l)
		}
	}
	return lines
}

func writeLines(t *testing.T, file string, lines []string) {
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// without takes a right on a path, or on something below, out of rules.
func without(lines []string, right, path string) (rest []string) {
	for _, l := range lines {
		flag, what, _ := strings.Cut(l, " ")
		at, rights, named := strings.Cut(what, ":")
		list := strings.Split(rights, "+")
		switch {
		case at != path && !strings.HasPrefix(at, path+"/"):
			rest = append(rest, l)
		case named && slices.Contains(list, right):
			if list = slices.DeleteFunc(list, func(r string) bool { return r == right }); len(list) > 0 {
				rest = append(rest, flag+" "+at+":"+strings.Join(list, "+"))
			}
		case flag == "--rx" && right == "execute":
			rest = append(rest, "--ro "+at)
		case flag == "--ro" && (right == "read_file" || right == "read_dir"):
		default:
			rest = append(rest, l)
		}
	}
	return rest
}

// TestLearnRights learns each access right on files: what was learned suffices, and without
// that right it does not.
func TestLearnRights(t *testing.T) {
	t.Parallel()
	require(t, "Landlock ABI 5", kernelHasLandlock(5))
	programs := []string{"probe"}
	if runtime.GOARCH == "amd64" {
		programs = append(programs, "probe386")
	}
	for _, right := range strings.Fields("execute write_file read_file read_dir remove_dir remove_file make_char make_dir make_reg make_sock make_fifo make_block make_sym refer truncate ioctl_dev") {
		if strings.HasSuffix(right, "char") || strings.HasSuffix(right, "block") {
			if os.Getuid() != 0 {
				continue // mknod(2) takes CAP_MKNOD
			}
		}
		t.Run(right, func(t *testing.T) {
			t.Parallel()
			for _, probe := range programs {
				learnRight(t, probe, right)
			}
		})
	}
}

func learnRight(t *testing.T, probe, right string) {
	dir := t.TempDir()
	at, file := filepath.Join(dir, "d"), filepath.Join(dir, "rules")
	on := at
	if right == "ioctl_dev" {
		on = "/dev/null"
	}
	// A rule for a file is for that file: it is not to be made anew.
	try := func(flags ...string) string {
		if right != "read_file" && right != "write_file" && right != "truncate" && right != "execute" {
			learnRun(t, dir, "probe", "fixture", at)
		}
		out, _ := learnRun(t, dir, append(append([]string{"hk-landlock"}, flags...), "--", probe, "right", right, on)...)
		return out
	}
	learnRun(t, dir, "probe", "fixture", at)
	if out := try("--learn", file); out != "ok\n" {
		t.Fatalf("%s %s: %s", probe, right, out)
	}
	if out := try("--rules", file); out != "ok\n" {
		t.Errorf("%s %s with what was learned: %s\n%s", probe, right, out, readFile(t, file))
	}
	lines := rulesOf(t, file)
	less := without(lines, right, on)
	writeLines(t, file, less)
	want := "EACCES\n"
	if right == "refer" {
		want = "EXDEV\n"
	}
	if out := try("--rules", file); out != want {
		t.Errorf("%s without %s: %s; want %s%s\n%s", probe, right, out, want, strings.Join(lines, "\n"), strings.Join(less, "\n"))
	}
}

// learnPrograms are programs, with what is there when they run, and the rule without which
// they fail: that for this path in $D.
var learnPrograms = []struct {
	name, needs, setup, run, rule string
}{
	{"sh", "", "echo text >f", "cat f >g; mv g h; cat h", ""},
	{"make", "make cc", `printf 'hello: hello.c\n' >Makefile; echo 'int puts(const char *); int main(void) { puts("hello"); }' >hello.c`, "make -s && ./hello", ""},
	{"git", "git", "git init -q; git config user.email a@b; git config user.name a; echo a >f; git add f", "git commit -q -m message && git log --format=%s", ".git"},
	{"tar", "tar", "mkdir a; echo text >a/b; tar -cf a.tar a; rm -r a", "tar -xf a.tar && cat a/b", ""},
	{"python", "/usr/bin/python3", "echo 6 >n; echo 'import json; print(json.dumps(int(open(\"n\").read())))' >p.py", "/usr/bin/python3 p.py", "p.py"},
	{"find", "find", "mkdir -p a/b; echo >a/b/c", "find . -type f", ""},
	{"sort", "sort", "seq 100 | tac >n", "sort -n n | head -3", "n"},
	{"awk", "awk", "echo 1 2 >n", "awk '{ print $1 + $2 >\"o\" }' n && cat o", ""},
	{"zsh", "zsh", "echo 'print -r -- $((6 * 7)) >o' >s", "zsh -f s && cat o", ""},
	{"fish", "fish", "echo 'string length abc' >s", "fish --no-config s", "s"},
	{"perl", "perl", "echo 'print 6 * 7' >s", "perl s", "s"},
	{"mandoc", "mandoc", "printf '.Dd June 1, 2020\\n.Dt A 1\\n.Os\\n.Sh NAME\\n.Nm a\\n.Nd b\\n' >a.1", "mandoc -T ascii a.1 | grep -c NAME", "a.1"},
	{"script", "sed", "printf '#!/bin/sed -f\\ns/a/b/\\n' >s; chmod +x s; echo a >f", "./s f", "s"},
	{"redis", "redis-server redis-cli", "", "redis-server --port 0 --unixsocket $D/s --save '' >/dev/null 2>&1 & p=$!; sleep 0.1; while kill -0 $p 2>/dev/null && ! redis-cli -s s ping >/dev/null 2>&1; do sleep 0.1; done; " +
		"redis-cli -s s set a b; redis-cli -s s get a; redis-cli -s s shutdown nosave; wait $p", ""},
	{"nginx", "nginx curl", "echo text >x; printf 'daemon off; master_process off; pid p; error_log /dev/null; events {} http { access_log off; client_body_temp_path a; proxy_temp_path b; " +
		"fastcgi_temp_path c; uwsgi_temp_path d; scgi_temp_path e; server { listen unix:%s/s; root %s; } }' $D $D >conf",
		"nginx -p $D -c $D/conf >/dev/null 2>&1 & p=$!; sleep 0.1; while kill -0 $p 2>/dev/null && ! curl -sf --unix-socket s http://x/x 2>/dev/null; do sleep 0.1; done; kill -QUIT $p; wait $p", ""},
	{"gcc", "gcc", "mkdir tmp; echo 'int main(void) { return 3; }' >m.c", "gcc -o m m.c; ./m; echo $?", ""},
}

// TestLearnPrograms learns what real programs need, runs them with it, and takes away a rule:
// then they fail, and hk-why names the rule.
func TestLearnPrograms(t *testing.T) {
	t.Parallel()
	require(t, "Landlock ABI 5", kernelHasLandlock(5))
	tried := 0
	for _, p := range learnPrograms {
		if slices.ContainsFunc(strings.Fields(p.needs), func(n string) bool { return !have(n) && !exists(n) }) {
			continue
		}
		tried++
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "d")
			file := filepath.Join(filepath.Dir(dir), "rules")
			fresh := func() {
				os.RemoveAll(dir)
				for _, d := range []string{dir, filepath.Join(dir, "tmp"), filepath.Join(filepath.Dir(dir), "home")} {
					_ = os.MkdirAll(d, 0o755)
				}
				learnRun(t, dir, "sh", "-c", p.setup)
			}
			run := func(pre ...string) (string, int) {
				fresh()
				return learnRun(t, dir, append(pre, "--", "sh", "-c", p.run)...)
			}
			plain, status := run("env")
			learned, a := run("hk-landlock", "--learn", file)
			confined, b := run("hk-landlock", "--rules", file)
			if a != status || b != status || learned != plain || confined != plain {
				t.Fatalf("status %d, learning %d, confined %d:\n%s\n%s\n%s\n%s", status, a, b, plain, learned, confined, readFile(t, file))
			}
			path := filepath.Join(dir, p.rule)
			lines := rulesOf(t, file)
			less := slices.DeleteFunc(slices.Clone(lines), func(l string) bool {
				_, what, _ := strings.Cut(l, " ")
				at, _, _ := strings.Cut(what, ":")
				return at == path
			})
			if len(less) != len(lines)-1 {
				t.Fatalf("no rule is for %s:\n%s", path, strings.Join(lines, "\n"))
			}
			writeLines(t, file, less)
			if out, c := run("hk-landlock", "--rules", file); c == status && out == plain {
				t.Errorf("without the rule for %s:\n%s", path, out)
			}
			out, _ := run("hk-why", "hk-landlock", "--rules", file)
			if !strings.Contains(out, "hk-why: landlock: ") || !strings.Contains(out, "on "+path) {
				t.Errorf("hk-why without the rule for %s:\n%s", path, out)
			}
		})
	}
	if slow == 1 && tried < 10 {
		require(t, "ten of the programs", false)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
