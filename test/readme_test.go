package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// An example is a fenced block of the README. A block without a language is the output
// of the block before it.
type example struct {
	language, text string
	output         string
}

// readme returns the examples of the README, and its text. The tests run as an ordinary
// user have a copy.
func readme(t *testing.T) ([]example, string) {
	t.Helper()
	file := filepath.Join(bin, "README.md")
	if !asUser {
		sources(t)
		file = "../README.md"
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	list := fenced(string(b))
	if len(list) == 0 {
		t.Fatal("README has no examples")
	}
	return list, string(b)
}

// fenced are the fenced blocks of a text.
func fenced(text string) (list []example) {
	for i, block := range strings.Split("\n"+text, "\n```") {
		language, text, _ := strings.Cut(block, "\n")
		text += "\n"
		switch {
		case i%2 == 0: // between two blocks
		case language != "":
			list = append(list, example{language: language, text: text})
		case len(list) > 0:
			list[len(list)-1].output += text
		}
	}
	return list
}

// printed is a regular expression for what README says that a command prints: …
// stands for anything, alone in a line for any lines, and blanks for any blanks.
func printed(text string) *regexp.Regexp {
	re := "^"
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "…" {
			re += `(?:.*\n)*`
			continue
		}
		re += `\s*`
		for i, field := range strings.Fields(line) {
			if i > 0 {
				re += `\s+`
			}
			re += strings.ReplaceAll(regexp.QuoteMeta(field), "…", ".*")
		}
		re += `\s*\n`
	}
	return regexp.MustCompile(strings.ReplaceAll(re, `^(?:.*\n)*`, "") + "$")
}

// project makes the directory of a C project of one file, with a blank in its
// name, as it could lie in a home directory.
func project(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "a project")
	for name, text := range map[string]string{
		"hello.c":  "#include <stdio.h>\nint main(void) { puts(\"hello, world\"); }\n",
		"Makefile": "hello: hello.c\n\nescape:\n\t-@echo x >$(OUT)/escaped\n\t-@ls $(OUT)\n\t-@tail -n +3 /proc/net/dev | cut -d: -f1\n\t@echo /proc/[0-9]*\n",
	} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// paste runs a command as a shell does into which it is pasted.
func paste(dir, text string, env ...string) (string, error) {
	return pasteFor(60, dir, text, env...)
}

func pasteFor(seconds int, dir, text string, env ...string) (string, error) {
	cmd := exec.Command("timeout", strconv.Itoa(seconds*slow), "sh", "-c", text)
	cmd.Dir = dir
	// What make tells makes that it starts.
	inherited := slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "MAKE") || strings.HasPrefix(v, "MFLAGS=")
	})
	cmd.Env = append(inherited, "PATH="+bin+":"+os.Getenv("PATH")+":/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "HK_FUSE=")
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestReadme runs the examples of README as they are printed, one after the
// other in the directory of a project.
func TestReadme(t *testing.T) {
	t.Parallel()
	list, _ := readme(t)
	for _, p := range []string{"make", "cc", "strace", "ip", "git"} {
		require(t, p, have(p))
	}
	dir := project(t)
	ran := 0
	for _, e := range list {
		if e.language != "sh" {
			continue
		}
		ran++
		for _, fuse := range []string{"", "0"} {
			if fuse == "0" && (strings.Contains(e.text, "--explain") || strings.Contains(e.text, "--rootfs")) {
				continue // that is of one stage, or in a root without the programs of the next
			}
			// The limit is for this machine, should the one of the example not hold.
			out, err := paste(dir, "ulimit -v 8388608\n"+landlockLine(e.text), "HK_FUSE="+fuse)
			if n := newer([]byte(out)); n != "" {
				t.Logf("missing: %s\n%s", n, e.text)
			} else if e.output == "" || !printed(e.output).MatchString(out) {
				t.Errorf("HK_FUSE=%s\n%s%v\n%swant\n%s", fuse, e.text, err, out, e.output)
			}
		}
	}
	if ran == 0 {
		t.Error("README has no commands")
	}
	// The first of them has built a program that runs.
	if out, err := exec.Command(filepath.Join(dir, "hello")).Output(); string(out) != "hello, world\n" {
		t.Errorf("what the chain built prints %q (%v)", out, err)
	}
	// The controls: what a stage denies works without it, and what is beside it works.
	for text, want := range map[string]string{
		"ls here && mkdir new":                    "here\n",
		"ip address >addresses && echo works":     "works\n",
		"hk-limit --as 256M -- sh -c 'ulimit -v'": "262144\n",
		"hk-limit --as 256M -- tail -c 4 hello.c": "; }\n",
	} {
		if out, err := paste(dir, text); err != nil || !regexp.MustCompile("^("+want+")$").MatchString(out) {
			t.Errorf("%s: %v\n%s", text, err, out)
		}
	}
}

// headline is the first command of README, with make told what to make.
func headline(t *testing.T, target string) string {
	t.Helper()
	list, _ := readme(t)
	line := landlockLine(strings.TrimSpace(list[0].text))
	if !strings.HasSuffix(line, " make") {
		t.Fatalf("the first command does not end in make:\n%s", line)
	}
	return line + " " + target
}

// TestReadmeEscape has a Makefile do what README says that it cannot do in the
// chain.
func TestReadmeEscape(t *testing.T) {
	require(t, "make", have("make"))
	dir := project(t)
	home := t.TempDir()
	target := "escape OUT=" + home
	out, err := paste(dir, "make "+target)
	if err != nil || !strings.HasPrefix(out, "escaped\n") || strings.Count(out, "/proc/") < 3 {
		t.Fatalf("the control does not work: %v\n%s", err, out)
	}
	if err := os.Remove(filepath.Join(home, "escaped")); err != nil {
		t.Fatal(err)
	}
	out, err = paste(dir, headline(t, target))
	if newer([]byte(out)) != "" {
		t.Skip("missing: ", newer([]byte(out)))
	}
	if left, _ := os.ReadDir(home); err != nil || len(left) > 0 {
		t.Errorf("%v, written outside: %v\n%s", err, left, out)
	}
	for _, want := range []string{
		`(?m)^.*sh: .*cannot create ` + home + `/escaped: (Directory nonexistent|No such file or directory)$`,
		`(?m)^ls: cannot access '` + home + `': No such file or directory$`,
		`(?m)^ *lo\n/proc/1( /proc/\d+){0,9}$`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("want %s in\n%s", want, out)
		}
	}
}

// TestReadmeItself builds these sources by the first command of README, with the
// flag that README gives for them, and what Go has compiled already, for the sake
// of time.
func TestReadmeItself(t *testing.T) {
	t.Parallel()
	sources(t)
	setting := func(name string) string {
		out, _ := exec.Command("go", "env", name).Output()
		return strings.TrimSpace(string(out))
	}
	require(t, "Go in /usr", strings.HasPrefix(setting("GOROOT"), "/usr/"))
	_, text := readme(t)
	flag := regexp.MustCompile("`(--ro \"[^`]*mod\")`").FindStringSubmatch(text)
	if flag == nil {
		t.Fatal("README has no flag for Go's modules")
	}
	dir := filepath.Join(t.TempDir(), "hk")
	if out, err := exec.Command("sh", "-c", `mkdir "$1" && cp -R ../cmd ../internal ../pkg ../go.mod ../go.sum ../Makefile ../docs ../profiles "$1"`, "sh", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	line := strings.Replace(headline(t, ""), `--rw "$PWD"`, `--rw "$PWD" `+flag[1]+" --tmp-overlay "+setting("GOCACHE")+":/tmp/.cache/go-build", 1)
	line = strings.Replace(line, "$(go env GOMODCACHE)", setting("GOMODCACHE"), 1)
	// The settings of the user who runs the tests.
	env := []string{"GOFLAGS=", "GOPATH=", "GOMODCACHE=", "GOCACHE=", "GOPROXY=off"}
	if out, err := pasteFor(300, dir, line, env...); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	// The installing user may be root without Go, but must not install outdated
	// programs.
	root := t.TempDir()
	install := "make install GO=false DESTDIR=" + root
	if out, err := paste(dir, install); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, s := range stages {
		if out, err := exec.Command(root+"/usr/local/bin/hk-"+s, "--version").CombinedOutput(); err != nil {
			t.Errorf("hk-%s --version: %v\n%s", s, err, out)
		}
		if _, err := os.Stat(root + "/usr/local/share/man/man1/hk-" + s + ".1"); err != nil {
			t.Error(err)
		}
	}
	for _, f := range []string{"bash-completion/completions/hk-limit", "zsh/site-functions/_hk", "fish/vendor_completions.d/hk-limit.fish", "elvish/lib/hk.elv"} {
		if b, err := os.ReadFile(root + "/usr/local/share/" + f); err != nil || !strings.Contains(string(b), "max-output") {
			t.Errorf("%s completes no flags of hk-limit: %v", f, err)
		}
	}
	if out, err := paste(dir, "touch pkg/limit/limit.go && "+install); err == nil {
		t.Errorf("a source has changed, and it installs what was built before:\n%s", out)
	}
}

// TestReadmeUnit runs the ExecStart= line of the README, in the environment that
// systemd sets, on a machine with /usr/local/bin and /srv/www.
func TestReadmeUnit(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("a service of root's")
	}
	require(t, "/usr/bin/python3", exec.Command("/usr/bin/python3", "-c", "import http.server").Run() == nil)
	list, _ := readme(t)
	unit := ""
	for _, e := range list {
		if e.language == "ini" {
			unit = e.text
		}
	}
	_, command, ok := strings.Cut(strings.ReplaceAll(unit, "\\\n", " "), "\nExecStart=")
	if !ok || strings.ContainsAny(command, `"'$%\;`) {
		t.Fatalf("not a unit whose command is plain words:\n%s", unit)
	}
	command, _, _ = strings.Cut(command, "\n")
	command = landlockLine(strings.Join(strings.Fields(command), " "))
	chain, _, _ := strings.Cut(command, " -- ")
	dir := t.TempDir()
	for name, text := range map[string]string{"www.service": unit, "run": fmt.Sprintf(serviceScript, command, chain)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out, err := paste("/", "hk-unshare --mount --net hk-mount --root / --ro "+bin+":/usr/local/bin"+
		" --dev /dev --tmpfs /tmp --tmpfs /srv --file /srv/www/index.html=served --ro "+dir+":/srv/test hk-net --loopback -- sh /srv/test/run")
	if newer([]byte(out)) != "" {
		t.Skip("missing: ", newer([]byte(out)))
	}
	const want = "served by 65534\nbind 8081: Permission denied\nconnect: Permission denied\nhome: False\nended by TERM\n"
	if err != nil || !strings.Contains(out, want) {
		t.Errorf("%v\n%swant\n%s", err, out, want)
	}
}

// serviceScript starts a service and requests a page from it; runs its chain with a
// program that does what the service may not; and stops it.
const serviceScript = `
if command -v systemd-analyze >/dev/null; then
	systemd-analyze verify --man=no /srv/test/www.service || exit
fi
trap '' PIPE
service='env -i LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin INVOCATION_ID=0123 SYSTEMD_EXEC_PID=1'
cd /
$service %s </dev/null 2>/dev/null &
/usr/bin/python3 -c '
import http.client, os, time
while True:
	try:
		c = http.client.HTTPConnection("127.0.0.1", 8080)
		c.request("GET", "/")
		break
	except ConnectionRefusedError:
		os.kill(int(os.sys.argv[1]), 0)
		time.sleep(.05)
print(c.getresponse().read().decode(), end=" ", flush=True)
' $! || exit
$service %s -- python3 -c '
import os, socket
print("by", os.getuid())
def attempt(name, call):
	try:
		call()
		print(name, "works")
	except OSError as e:
		print(name + ": " + e.strerror)
attempt("bind 8081", lambda: socket.socket().bind(("127.0.0.1", 8081)))
attempt("connect", lambda: socket.socket().connect(("127.0.0.1", 8080)))
print("home:", os.path.exists("/home"))
'
kill -TERM $!
{ wait $!; } 2>/dev/null
echo "ended by $(kill -l $?)"
`

// TestReadmeGo checks that the lines of Go in README are those of an example, which runs.
func TestReadmeGo(t *testing.T) {
	list, _ := readme(t)
	sources(t)
	b, err := os.ReadFile("../pkg/chain/example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, e := range list {
		if e.language != "go" {
			continue
		}
		found = true
		for line := range strings.Lines(e.text) {
			if !strings.Contains(string(b), "\t"+strings.TrimLeft(line, "\t")) {
				t.Errorf("no example has the line %q", line)
			}
		}
	}
	if !found {
		t.Error("README has no Go")
	}
}
