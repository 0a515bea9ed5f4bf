package main

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// A command makes a sandbox, and runs in it the words that are put after its
// own.
type command struct {
	name  string
	words []string
	env   []string
	// filter is a file that is opened anew as descriptor 3 for each run, since
	// the command reads it to its end.
	filter string
	want   want
}

// want is what sets the sandboxes apart.
type want struct {
	namespaces, root, reaper, noNewPrivs, filter, landlock bool
}

// Where in the list some of the commands are, among them the ratios' denominators.
const hkFull, hkPlain, asPID1, bwrap = 0, 1, 3, 4

func commands(filter, peer string) ([]command, error) {
	const (
		mounts = "hk-unshare --all hk-idmap --root hk-mount --rootfs / --proc --dev /dev --tmpfs /tmp hk-setuser --caps none"
		denies = " hk-landlock --ro / --rx /usr --rw /tmp,/dev hk-seccomp --profile podman"
	)
	plain := strings.Fields(mounts + " --")
	full := strings.Fields(mounts + denies + " --")
	args, err := bwrapArgs()
	if err != nil {
		return nil, err
	}
	list := []command{
		hkFull: {name: "hk", words: full,
			want: want{namespaces: true, root: true, noNewPrivs: true, filter: true, landlock: true}},
		hkPlain: {name: "hk, no Landlock, no seccomp", words: plain,
			want: want{namespaces: true, root: true}},
		{name: "hk, HK_FUSE=0", words: full, env: []string{"HK_FUSE=0"},
			want: want{namespaces: true, root: true, noNewPrivs: true, filter: true, landlock: true}},
		asPID1: {name: "bwrap --as-pid-1", words: slices.Concat([]string{"bwrap", "--as-pid-1", "--seccomp", "3"}, args), filter: filter,
			want: want{namespaces: true, root: true, noNewPrivs: true, filter: true}},
		bwrap: {name: "bwrap", words: slices.Concat([]string{"bwrap", "--seccomp", "3"}, args), filter: filter,
			want: want{namespaces: true, root: true, reaper: true, noNewPrivs: true, filter: true}},
		{name: "bwrap --as-pid-1, no seccomp", words: slices.Concat([]string{"bwrap", "--as-pid-1"}, args),
			want: want{namespaces: true, root: true, noNewPrivs: true}},
		{name: "hk-bwrap --as-pid-1", words: slices.Concat([]string{"hk-bwrap", "--as-pid-1", "--seccomp", "3"}, args), filter: filter,
			want: want{namespaces: true, root: true, noNewPrivs: true, filter: true}},
		{name: "hk-bwrap", words: slices.Concat([]string{"hk-bwrap", "--seccomp", "3"}, args), filter: filter,
			want: want{namespaces: true, root: true, reaper: true, noNewPrivs: true, filter: true}},
		{name: "C, with hk's system calls", words: []string{peer, filter},
			want: want{namespaces: true, root: true, noNewPrivs: true, filter: true, landlock: true}},
		{name: "unshare -UmpniuC -r -f", words: []string{"unshare", "-UmpniuC", "-r", "-f"},
			want: want{namespaces: true}},
		{name: payload},
	}
	return list, nil
}

// top are the directories that --rootfs / takes from the host.
var top = []string{"bin", "etc", "lib", "lib32", "lib64", "sbin", "usr"}

// bwrapArgs are the options that come closest to hk's sandbox. hk's root is
// read-only, its payload dies with hk, its /tmp is everybody's: bwrap is told.
func bwrapArgs() ([]string, error) {
	args, err := topArgs()
	if err != nil {
		return nil, err
	}
	args = append([]string{"--unshare-all", "--die-with-parent", "--uid", "0", "--gid", "0"}, args...)
	return append(args, "--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/tmp",
		"--remount-ro", "/", "--cap-drop", "ALL", "--"), nil
}

// topArgs are bwrap's options for the system directories.
func topArgs() ([]string, error) {
	var args []string
	for _, name := range top {
		st, err := os.Lstat("/" + name)
		switch {
		case os.IsNotExist(err):
		case err != nil:
			return nil, err
		case st.Mode()&os.ModeSymlink != 0:
			to, err := os.Readlink("/" + name)
			if err != nil {
				return nil, err
			}
			args = append(args, "--symlink", to, "/"+name)
		default:
			args = append(args, "--ro-bind", "/"+name, "/"+name)
		}
	}
	return args, nil
}

// output runs a command in the sandbox that prints lines of a name and a value.
func (c *command) output(words ...string) (map[string]string, error) {
	words = slices.Concat(c.words, words)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = c.environ()
	if c.filter != "" {
		f, err := os.Open(c.filter)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		cmd.ExtraFiles = []*os.File{f}
	}
	return saw(cmd)
}

func (c *command) environ() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "HK_") })
	return append(env, c.env...)
}

// look prints what holds in a sandbox, a line each, and nothing that is
// different from run to run but the namespaces.
const look = `
echo "uid $(id -u)"
echo "pid $$"
for ns in cgroup ipc mnt net pid user uts; do echo "ns/$ns $(readlink /proc/self/ns/$ns)"; done
while read -r name value _; do
	case $name in CapPrm:|CapEff:|CapBnd:|NoNewPrivs:|Seccomp_filters:) echo "$name $value" ;; esac
done </proc/self/status
test "$1" = root || exit 0
echo "root" $(ls -A /)
while read -r _ _ _ _ at options _; do
	case $at in /|/etc|/usr) echo "$at ${options%%,*}" ;; esac
done </proc/self/mountinfo
cp /usr/bin/true /tmp/copy || exit 1
if /tmp/copy 2>/dev/null; then echo "/tmp/copy runs"; else echo "/tmp/copy does not run"; fi
`

// check runs look in the sandbox and compares what it prints with what c wants.
func (c *command) check() error {
	if c.words == nil {
		return nil
	}
	arg := ""
	if c.want.root {
		arg = "root"
	}
	here, err := saw(exec.Command("/bin/sh", "-c", look, "look", ""))
	if err != nil {
		return err
	}
	there, err := c.output("/bin/sh", "-c", look, "look", arg)
	if err != nil {
		return err
	}
	for _, w := range c.want.list(here) {
		if got := there[w.name]; (got == w.value) == w.not {
			return fmt.Errorf("not the sandbox that is to be timed: %s %q; want %s", w.name, got, w)
		}
	}
	return nil
}

// saw runs a command that prints lines of a name and a value.
func saw(cmd *exec.Cmd) (map[string]string, error) {
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	m := map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		m[name] = value
	}
	return m, nil
}

// A wanted is what look has to print for a name, or has not.
type wanted struct {
	name, value string
	not         bool
}

func (w wanted) String() string {
	if w.not {
		return fmt.Sprintf("not %q", w.value)
	}
	return fmt.Sprintf("%q", w.value)
}

// list is what look has to print, where it prints here outside.
func (w want) list(here map[string]string) []wanted {
	list := []wanted{{name: "uid", value: "0"}}
	add := func(name, value string) { list = append(list, wanted{name: name, value: value}) }
	if w.reaper {
		add("pid", "2")
	} else {
		add("pid", "1")
	}
	for _, ns := range []string{"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"} {
		list = append(list, wanted{name: "ns/" + ns, value: here["ns/"+ns], not: true})
	}
	if w.noNewPrivs {
		add("NoNewPrivs:", "1")
	}
	filters := 0
	fmt.Sscan(here["Seccomp_filters:"], &filters)
	if w.filter {
		filters++
	}
	add("Seccomp_filters:", fmt.Sprint(filters))
	if !w.root {
		return list
	}
	for _, set := range []string{"CapPrm:", "CapEff:", "CapBnd:"} {
		add(set, strings.Repeat("0", 16))
	}
	names := []string{"dev", "proc", "tmp"}
	for _, name := range top {
		if _, err := os.Lstat("/" + name); err == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	add("root", strings.Join(names, " "))
	for _, at := range []string{"/", "/etc", "/usr"} {
		add(at, "ro")
	}
	if w.landlock {
		add("/tmp/copy", "does not run")
	} else {
		add("/tmp/copy", "runs")
	}
	return list
}
