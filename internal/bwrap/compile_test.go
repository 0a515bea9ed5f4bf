package bwrap

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hk/internal/cli"
	"hk/pkg/cause"
	"hk/pkg/chain"
	"hk/pkg/host"
	"hk/pkg/plan"
	"hk/pkg/unshare"

	"golang.org/x/sys/unix"
)

var update = flag.Bool("update", false, "write the golden files anew")

// fakeHost is a host that does not depend on the machine.
func fakeHost(uid uint32) *host.Host {
	there := map[string]bool{"/": true, "/usr": true, "/etc": true, "/home/u": true, "/home/u/src": true, "/etc/hosts": false, "/a": true, "/b": true, "/proc": true}
	h := &host.Host{LastCap: 40, UID: uid, GID: uid, Env: []string{"PATH=/usr/bin:/bin", "HOME=/home/u"}, Dir: "/home/u", SelfFD: -1, Parent: 1,
		Look: func(p string) (host.Found, error) {
			isDir, ok := there[filepath.Clean(p)]
			if !ok {
				return host.Found{}, &fs.PathError{Op: "open", Path: p, Err: unix.ENOENT}
			}
			return host.Found{IsDir: isDir, Path: p}, nil
		},
		FDInfo: func(fd int) (string, error) {
			if fd > 20 {
				return "", unix.ENOENT
			}
			return "", nil
		},
		NoSetgroups: func() bool { return false },
		SELinux: func(label string) error {
			if label == "none" {
				return fmt.Errorf("no label: %w", unix.EINVAL)
			}
			return nil
		},
	}
	if uid == 0 {
		h.Permitted, h.Effective = 1<<41-1, 1<<41-1
	}
	return h
}

// compiled is the chain of a command line, or its error.
func compiled(words []string, uid uint32) (string, error) {
	l, err := parse(words, func(fd int) ([]string, error) {
		if fd != 9 {
			return nil, unix.EBADF
		}
		return []string{"--ro-bind", "/usr", "/usr", "--perms", "0700", "--dir", "/p"}, nil
	})
	h := fakeHost(uid)
	if err == nil {
		err = l.checkCaller(h)
	}
	if err != nil {
		return "", err
	}
	stages, _, err := Compile(&l.Settings, h)
	if err != nil {
		return "", err
	}
	c := chain.Compiled(words, l.Common, stages, l.Settings.Command)
	if err := c.Check(); err != nil {
		return "", err
	}
	warnings := ""
	for _, w := range l.Warnings {
		warnings += "warning: " + w + "\n"
	}
	return warnings + cli.Shell(c), nil
}

// TestCompile compares the chains of command lines with those in testdata: with -update
// these are written anew.
func TestCompile(t *testing.T) {
	lines, err := os.ReadFile("testdata/lines")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, line := range strings.Split(strings.TrimSpace(string(lines)), "\n") {
		for _, uid := range []uint32{1000, 0} {
			who := map[uint32]string{1000: "user", 0: "root"}[uid]
			text, err := compiled(strings.Fields(line), uid)
			if err != nil {
				text = "error: " + err.Error() + "\n"
			}
			b.WriteString(who + "$ bwrap " + line + "\n" + text + "\n")
		}
	}
	if *update {
		if err := os.WriteFile("testdata/chains", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/chains")
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != b.String() {
		got := strings.Split(b.String(), "\n")
		for i, l := range strings.Split(string(want), "\n") {
			if i >= len(got) || got[i] != l {
				t.Fatalf("line %d of testdata/chains is\n%s\nand should be\n%s\nor use -update", i+1, l, strings.Join(got[i:min(i+1, len(got))], ""))
			}
		}
		t.Fatal("testdata/chains is too short")
	}
}

// TestParentOutside is about a parent that has no PID in this PID namespace.
func TestParentOutside(t *testing.T) {
	for parent, want := range map[int]unshare.Namespaces{
		0: {DieWithParent: true}, 1: {DieWithProcess: true},
	} {
		l, err := parse([]string{"--dev-bind", "/", "/", "--die-with-parent", "true"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		h := fakeHost(1000)
		h.Parent = parent
		stages, _, err := Compile(&l.Settings, h)
		if err != nil {
			t.Fatal(err)
		}
		n := stages[0].(*unshare.Namespaces)
		if n.DieWithParent != want.DieWithParent || n.DieWithProcess != want.DieWithProcess {
			t.Errorf("parent %d: DieWithParent %t, DieWithProcess %t; want %t, %t", parent, n.DieWithParent, n.DieWithProcess, want.DieWithParent, want.DieWithProcess)
		}
	}
}

// FuzzParse checks that no command line makes the parser or the compiler fail in another
// way than by an error, and that words from a descriptor mean what they do on the command
// line.
func FuzzParse(f *testing.F) {
	lines, _ := os.ReadFile("testdata/lines")
	for _, line := range strings.Split(string(lines), "\n") {
		f.Add(strings.ReplaceAll(line, " ", "\x00"))
	}
	f.Fuzz(func(t *testing.T, text string) {
		words := strings.Split(text, "\x00")
		if len(words) > 200 || strings.Contains(text, "--args") || strings.Contains(text, "--help") || strings.Contains(text, "--version") {
			return
		}
		direct, err := compiled(words, 1000)
		l, errRead := parse([]string{"--args", "3", "true"}, func(int) ([]string, error) { return words, nil })
		if err != nil || errRead != nil {
			return
		}
		whole, err := parse(words, nil)
		if err != nil {
			t.Fatalf("parse(%q) = %v; it was accepted before", words, err)
		}
		rest := whole.Settings.Command
		whole.Settings.Command, whole.Settings.Read = nil, nil
		l.Settings.Command, l.Settings.Read = nil, nil
		a, b := printed(t, whole), printed(t, l)
		if a != b {
			t.Fatalf("%q with --args makes\n%s\nand without\n%s\nwhole: %s %q", words, b, a, direct, rest)
		}
	})
}

// printed is the chain of settings, with the payload true.
func printed(t *testing.T, l *line) string {
	l.Settings.Command = []string{"true"}
	stages, _, err := Compile(&l.Settings, fakeHost(1000))
	if err != nil {
		return err.Error()
	}
	return cli.Shell(chain.Compiled([]string{"hk-bwrap"}, l.Common, stages, l.Settings.Command))
}

func TestReason(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{unix.EPERM, "Operation not permitted"}, {&fs.PathError{Op: "open", Path: "/x", Err: unix.ENOENT}, "No such file or directory"},
		{errors.New("something else"), "something else"},
	} {
		if got := reason(c.err); got != c.want {
			t.Errorf("reason(%v) = %q; want %q", c.err, got, c.want)
		}
	}
}

// TestMessage is about what prevents namespaces: it is named after bubblewrap's words.
func TestMessage(t *testing.T) {
	const hint = "AppArmor denies it"
	for _, c := range []struct {
		err  plan.Error
		want string
	}{
		{plan.Error{Stage: "hk-unshare", Call: "clone3", Errno: unix.EPERM}, "No permissions to create a new namespace, likely because the kernel does not allow non-privileged user namespaces"},
		{plan.Error{Stage: "hk-unshare", Call: "clone3", Errno: unix.EPERM, Hint: hint, Because: cause.UsernsAppArmor}, "No permissions to create a new namespace: " + hint + " [userns-apparmor]"},
		{plan.Error{Stage: "hk-unshare", Call: "clone3", Errno: unix.EPERM, Hint: "SELinux is enforcing", Because: cause.UsernsSELinux}, "No permissions to create a new namespace: SELinux is enforcing [userns-selinux]"},
		{plan.Error{Stage: "hk-unshare", Call: "unshare", Errno: unix.ENOSPC}, "Creating new namespace failed: nesting depth or /proc/sys/user/max_*_namespaces exceeded (ENOSPC)"},
		{plan.Error{Stage: "hk-unshare", Call: "clone3", Errno: unix.EINVAL}, "Creating new namespace failed, likely because the kernel does not support user namespaces"},
		{plan.Error{Stage: "hk-idmap", Call: "write", Errno: unix.EACCES, Hint: hint, Because: cause.UsernsAppArmor}, "setting up uid map: Permission denied: " + hint + " [userns-apparmor]"},
		{plan.Error{Stage: "hk-net", Call: "sendto", Errno: unix.EPERM, Hint: hint, Because: cause.UsernsAppArmor}, "loopback: Failed RTM_NEWADDR: Operation not permitted: " + hint + " [userns-apparmor]"},
	} {
		l := &line{}
		if got := l.message(&c.err); got != c.want {
			t.Errorf("message(%v) = %q; want %q", c.err, got, c.want)
		}
	}
}
