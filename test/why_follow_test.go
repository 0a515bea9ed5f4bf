package test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A followRow is what a payload does, and what hk-why says of it.
type followRow struct {
	chain [][]string
	// do is a script for sh(1) about files in $D; it prints "did" if it succeeds.
	do string
	// class and text are of the only line about it; text "" means that there is none.
	class, text string
	// helps is set if the flags of the line make it succeed.
	helps bool
	// only is root or user, or "" for both.
	only string
}

func followRows() []followRow {
	row := func(chain, do, class, text string, helps bool) followRow {
		return followRow{chain: words(chain), do: do, class: class, text: text, helps: helps}
	}
	only := func(who string, r followRow) followRow {
		r.only = who
		return r
	}
	const lock = "hk-landlock --rx /usr --ro /etc,/proc --rw /dev"
	const filter = "hk-seccomp --profile none --deny "
	return []followRow{
		row(lock, "cat /etc/passwd >/dev/null", "", "", false),
		row(lock, "cat $D/f >/dev/null", "landlock", `"$D/f", O_RDONLY) = EACCES: no rule allows read_file on $D/f`, true),
		row(lock, "cd $D; cat f", "landlock", `openat(AT_FDCWD, "f", O_RDONLY) = EACCES: no rule allows read_file on $D/f`, true),
		row(lock, "cat $D/link >/dev/null", "landlock", "no rule allows read_file on $D/f", true),
		row(lock, "ls $D >/dev/null", "landlock", "no rule allows read_dir on $D", true),
		row(lock, "sh -c ': >>$D/f'", "landlock", "no rule allows write_file on $D/f", true),
		row(lock, "sh -c ': >$D/made'", "landlock", "no rule allows write_file+make_reg on $D", true),
		row(lock, "mkdir $D/made", "landlock", `mkdir("$D/made", 0777) = EACCES: no rule allows make_dir on $D`, true),
		row(lock, "ln -s x $D/made", "landlock", "no rule allows make_sym on $D", true),
		row(lock, "rm $D/gone", "landlock", "no rule allows remove_file on $D", true),
		row(lock, "rmdir $D/empty", "landlock", "no rule allows remove_dir on $D", true),
		row(lock, "truncate -c -s 1 $D/f", "landlock", "no rule allows write_file on $D/f", true),
		row(lock, "$D/true", "landlock", "no rule allows execute+read_file on $D/true", true),
		row(lock, "sh -c 'exec $D/true'", "landlock", "no rule allows execute+read_file on $D/true", true),
		row("hk-landlock --restrict tcp-bind", "probe listen tcp 127.0.0.1:0 | grep ok", "landlock", "no rule allows TCP port 0 to bind", true),
		row("hk-landlock --restrict tcp-connect", "probe connect tcp 127.0.0.1:9 | grep -v EACCES", "landlock", "no rule allows TCP port 9 to connect", true),
		row(filter+"personality", "probe syscall personality 0 | grep ok", "seccomp", "personality(0) = EPERM: --deny=personality denies it", true),
		row(filter+"memfd_create:ENOSYS", "probe syscall memfd_create name 0 | grep ok", "seccomp", " = ENOSYS: --deny=memfd_create:ENOSYS denies it", true),
		row(filter+"memfd_create:EIO", "probe syscall memfd_create name 0 | grep ok", "seccomp", " = EIO: --deny=memfd_create:EIO denies it", true),
		row("hk-seccomp --profile none --kill personality", "probe syscall personality 0 | grep ok", "seccomp", "personality(0) = kill-process: --kill=personality denies it", true),
		row(filter+"personality | hk-seccomp --profile none --deny personality:EIO", "probe syscall personality 0 | grep ok", "seccomp", "personality(0) = EIO", true),
		row(filter+"personality", "sh -c '(probe syscall personality 0; true) | cat' | grep ok", "seccomp", "personality(0) = EPERM", true),
		row("hk-landlock --rx /usr --ro /etc --rw /dev", "cat /proc/self/status >/dev/null", "landlock", "no rule allows read_file on /proc/", true),
		row(ownRoot, "cat $D/f >/dev/null", "hidden path", "$D/f is on the host, and not in the new root", true),
		row(ownRoot, "$D/true", "hidden path", "$D/true is on the host, and not in the new root", true),
		row(ownRoot, "cat /no/such/file", "", "", false),
		row(ownRoot, "mkdir /x", "read-only mount", `mkdir("/x", 0777) = EROFS: / is on a mount that is read-only`, true),
		row(ownRoot+" --ro $D:/d", "mkdir /d/x", "read-only mount", "/d is on a mount that is read-only", true),
		row(ownRoot+" --rw $D:/d:noexec", "/d/true", "noexec mount", "/d/true is on a mount from which nothing is executed", false),
		row(ownRoot+" --rw $D:/d | hk-landlock --rx /usr --ro /etc --rw /dev", "cat /d/f >/dev/null", "landlock", "no rule allows read_file on /d/f", true),
		row("hk-unshare --user | hk-idmap --root | hk-setuser --caps none", "chroot / true", "capability", `chroot("/") = EPERM: the payload does not have CAP_SYS_CHROOT`, true),
		row(lock, "mv $D/f $D/made", "landlock", "no rule allows remove_file+make_reg on $D", true),
		row(lock, "mv -n $D/empty $D/made", "landlock", "no rule allows remove_dir+make_dir on $D", true),
		row(lock, "ln $D/f $D/sub/hard", "landlock", "= EACCES: no rule allows refer on $D, or make_reg+refer on $D/sub", true),
		row(lock+" --allow $D:make_reg", "ln $D/f $D/sub/hard", "landlock", "= EXDEV: no rule allows refer on $D, or refer on $D/sub", true),
		row(lock+" --allow $D:make_reg+refer,$D/sub:execute", "ln $D/f $D/sub/hard", "landlock", "= EXDEV: $D/sub allows execute, and no rule does on $D", true),
		row(lock, "mkfifo $D/made", "landlock", "no rule allows make_fifo on $D", true),
		row(lock+" --allow $D:write_file", "truncate -s 1 $D/f", "landlock", "ftruncate(3, 1) = EACCES: no rule allows truncate on $D/f", true),
		row("hk-landlock --rx / --allow /dev:write_file", "probe right ioctl_dev /dev/null | grep ok", "landlock", "no rule allows ioctl_dev on /dev/null", true),
		row(ownRoot+" --ro $D:/d", "chmod 600 /d/f", "read-only mount", "/d/f is on a mount that is read-only", true),
		row(ownRoot+" --ro $BIN --ro $D:/d --try-ro /sys/kernel/mm/transparent_hugepage", "probe syscall fsetxattr 0 user.x v 1 0 </d/f | grep -v EROFS", "read-only mount", `fsetxattr(0, "user.x", ..., 1, 0) = EROFS: /d/f is on a mount that is read-only`, true),
		row(ownRoot+" --ro $BIN --ro $D:/d --try-ro /sys/kernel/mm/transparent_hugepage", "probe syscall lremovexattr /d/f user.x | grep -v EROFS", "read-only mount", `lremovexattr("/d/f", "user.x") = EROFS: /d/f is on a mount that is read-only`, true),
		row(ownRoot+" --ro $D:/d", "rm -f /d/gone", "read-only mount", "/d is on a mount that is read-only", true),
		row(ownRoot+" --ro $D:/d", "mv /d/f /d/made", "read-only mount", "/d is on a mount that is read-only", true),
		row(ownRoot+" --rw $D:/a --rw $D/sub:/b", "ln /a/f /b/hard", "separate mounts", "/a and /b are on different mounts", false),
		row(ownRoot+" --ro $BIN --try-ro /sys/kernel/mm/transparent_hugepage", "probe connect unix $D/sock | grep -v ENOENT", "hidden path", `$D/sock is on the host, and not in the new root`, true),
		row(filter+"personality", "sh -c 'exec $D/f'", "not the sandbox", "permissions refuse it to the caller too: $D/f", false),
		only("root", row(lock, "mknod $D/made c 1 3", "landlock", "no rule allows make_char on $D", true)),
		only("root", row("hk-setuser --caps none", "mknod $D/made c 1 3", "capability", "= EPERM: the payload does not have CAP_MKNOD", true)),
		only("root", row("hk-setuser --caps none", "chown 1 $D/f", "capability", "permissions refuse it without CAP_CHOWN, which the payload does not have: $D/f", true)),
		only("root", row("hk-setuser --caps none", "cat $D/other", "capability", "permissions refuse it without CAP_DAC_READ_SEARCH, which the payload does not have: $D/other", true)),
		only("root", row("hk-unshare --user | hk-idmap --root", "cat $D/other", "capability", "permissions refuse it without CAP_DAC_READ_SEARCH, which the payload does not have over files of the host: $D/other", false)),
		only("root", row("hk-setuser --caps none", "probe syscall setxattr $D/other user.x v 1 0 | grep -v EACCES", "capability", "permissions refuse it without CAP_DAC_OVERRIDE, which the payload does not have: $D/other", true)),
		only("root", row("hk-setuser --caps none", "probe syscall setxattrat CWD $D/other 0 user.x words:0,0,0,0 16 | grep -v EACCES", "capability", `setxattrat(AT_FDCWD, "$D/other", 0, "user.x", ..., 16) = EACCES: permissions refuse it without CAP_DAC_OVERRIDE`, true)),
		only("root", row("hk-setuser --caps none", "probe syscall setxattr $D/f trusted.x v 1 0 | grep -v EPERM", "capability", `setxattr("$D/f", "trusted.x", ..., 1, 0) = EPERM: the payload does not have CAP_SYS_ADMIN`, true)),
		only("root", row("hk-setuser --caps none", "probe syscall lremovexattr $D/f security.capability | grep -v EPERM", "capability", "= EPERM: the payload does not have CAP_SETFCAP", true)),
		only("root", row("hk-setuser --caps none", "chmod 644 $D/other", "capability", "permissions refuse it without CAP_FOWNER, which the payload does not have: $D/other", true)),
		only("root", row("hk-setuser --caps none", "probe syscall socket 2 3 1 | grep ok", "capability", "the payload does not have CAP_NET_RAW", true)),
		only("root", row("hk-setuser --caps none", "cat $D/shut/missing 2>&1 | grep 'No such'", "capability", `missing", O_RDONLY) = EACCES: permissions refuse it without CAP_DAC_OVERRIDE, which the payload does not have: $D/shut: hk-setuser`, true)),
		only("root", row("hk-setuser --caps none", "mkdir $D/shut/sub/no/made 2>&1 | grep 'No such'", "capability", "which the payload does not have: $D/shut: hk-setuser", true)),
		only("root", row("hk-setuser --caps none", "ln $D/f $D/shut/no/made 2>&1 | grep 'No such'", "capability", "which the payload does not have: $D/shut: hk-setuser", true)),
		only("root", row("hk-setuser --user 65534:65534", "sh -c 'exec $D/missing'", "user", "= EACCES: permissions refuse it to the payload's user and groups, and not to the caller: $D", false)),
		only("root", row("hk-setuser --user 65534:65534", "sh -c ': >$D/no/made'", "user", "and not to the caller: $D", false)),
		only("root", row("hk-setuser --caps none | hk-landlock --rx / --rw /dev", "cat $D/no/missing", "", "", false)),
		only("root", row("hk-setuser --user 65534:65534", "cat /etc/shadow", "user", "and not to the caller: /etc/shadow", false)),
		only("root", row("hk-setuser --user 65534:65534 | "+lock, "cat /etc/shadow", "user", "and not to the caller: /etc/shadow", false)),
		only("root", row("hk-setuser --user 65534:65534 | "+lock, "ls /var >/dev/null", "landlock", "no rule allows read_dir on /var", true)),
		row("hk-landlock --scope abstract-unix-socket", "probe connect unix $SOCKET | grep ok", "landlock", "= EPERM: hk-landlock --scope abstract-unix-socket denies it", false),
		row("hk-landlock --scope signal", "probe kill $PID | grep ok", "landlock", "= EPERM: hk-landlock --scope signal denies it: process $PID is outside the domain", false),
		row("hk-landlock --scope signal", "sh -c 'sleep 10 & kill $!'", "", "", false),
		only("user", row("hk-landlock --restrict tcp-bind", "probe kill 1 | grep ok", "not the sandbox", "process 1 is another user's", false)),
		only("user", row("hk-unshare --user | hk-idmap --root", "mknod $D/made c 1 3", "not the sandbox", "the caller lacks CAP_MKNOD", false)),
		only("user", row(filter+"personality", "chmod 600 /etc/passwd", "not the sandbox", "permissions refuse it to the caller too: /etc/passwd", false)),
		only("user", row(filter+"personality", "probe syscall fremovexattr 0 user.x </etc/passwd | grep -v EACCES", "not the sandbox", "permissions refuse it to the caller too: /etc/passwd", false)),
		only("user", row(lock, "chown 1 $D/f", "not the sandbox", "permissions refuse it to the caller too: $D/f", false)),
		only("user", row(filter+"personality", "probe syscall socket 2 3 1 | grep ok", "not the sandbox", "the caller lacks CAP_NET_RAW", false)),
		only("user", row(lock, "rm -f /etc/passwd", "not the sandbox", "permissions refuse it to the caller too: /etc", false)),
		only("user", row(lock, "mv /etc/passwd /etc/made", "not the sandbox", "permissions refuse it to the caller too: /etc/passwd", false)),
		only("user", row(lock, "cat /etc/shadow >/dev/null", "not the sandbox", "permissions refuse it to the caller too: /etc/shadow", false)),
		only("user", row("hk-landlock --rx /usr --ro /etc,/proc --rw /dev,/tmp", "mkdir /etc/new", "not the sandbox", "permissions refuse it to the caller too: /etc", false)),
		only("user", row(filter+"personality", "chroot / true", "not the sandbox", "the caller lacks CAP_SYS_CHROOT", false)),
	}
}

// TestWhyFollow lets hk-why follow payloads: each refusal is told once as it happens and
// once at the end, and with the flags that are named it does not occur.
func TestWhyFollow(t *testing.T) {
	t.Parallel()
	require(t, "Landlock ABI 5", kernelHasLandlock(5))
	l, err := net.Listen("unix", whySocket())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	for _, r := range followRows() {
		if strings.Contains(strings.Join(r.chain[0], " "), "--scope") && !kernelHasLandlock(6) {
			continue
		}
		if strings.Contains(r.do, "setxattrat") && !kernelAtLeast("6.13") {
			continue
		}
		if r.only != "" && (r.only == "user") == (os.Getuid() == 0) {
			continue
		}
		t.Run(strings.NewReplacer("/", "_", "$D", "D").Replace(r.do), func(t *testing.T) {
			t.Parallel()
			r.test(t)
		})
	}
}

// whySocket is the abstract socket of a process outside.
func whySocket() string { return "@hk-why-" + strconv.Itoa(os.Getpid()) }

func (r followRow) test(t *testing.T) {
	dir := whyFiles(t)
	in := strings.NewReplacer("$D", dir, "$BIN", bin, "$SOCKET", whySocket(), "$PID", strconv.Itoa(os.Getpid())).Replace
	w := whyRow{chain: slices.Clone(r.chain)}
	for i, stage := range w.chain {
		w.chain[i] = strings.Fields(in(strings.Join(stage, " ")))
	}
	out, lines := follow(t, w.chain, in(r.do))
	if r.text == "" {
		if len(lines) != 0 {
			t.Errorf("%v\n%s: told %q\n%s", r.chain, r.do, lines, out)
		}
		return
	}
	if len(lines) != 1 || !strings.HasPrefix(lines[0], r.class+": ") || !strings.Contains(lines[0], in(r.text)) {
		t.Fatalf("%v\n%s: told %q; want %s: %s\n%s", r.chain, r.do, lines, r.class, in(r.text), out)
	}
	if strings.Contains(out, "\ndid\n") {
		t.Errorf("it was not refused:\n%s", out)
	}
	line := lines[0]
	helps := strings.HasSuffix(line, " would allow it")
	if helps != r.helps {
		t.Fatalf("flags: %v; want %v: %s", helps, r.helps, line)
	}
	if !helps {
		return
	}
	flags := strings.Fields(strings.TrimSuffix(line[strings.LastIndex(line, ": ")+2:], " would allow it"))
	w.add(flags[0], flags[1:])
	if out, lines = follow(t, w.chain, in(r.do)); len(lines) > 0 && r.do != "probe connect tcp 127.0.0.1:9 | grep -v EACCES" || !strings.Contains(out, "\ndid\n") {
		t.Errorf("%v\n%s: with %q told %q\n%s", r.chain, r.do, flags, lines, out)
	}
}

// follow runs a script in a chain below hk-why, and returns all output and the lines about
// what was refused.
func follow(t *testing.T, chain [][]string, do string) (out string, lines []string) {
	t.Helper()
	args := append(slices.Concat([][]string{{"20", filepath.Join(bin, "hk-why"), "--"}, slices.Concat(chain...)}...), "--", "/bin/sh", "-c", do+" && echo && echo did")
	cmd := exec.Command("timeout", args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + bin + ":/usr/bin:/bin:/usr/sbin", own}
	b, _ := cmd.CombinedOutput()
	out = string(b)
	all, end, ok := strings.Cut(out, "hk-why: at the end: ")
	if !ok {
		t.Fatalf("%v: no end:\n%s", args, out)
	}
	first := map[string]bool{}
	for _, l := range strings.Split(all, "\n") {
		if text, ok := strings.CutPrefix(l, "hk-why: "); ok {
			text, _, _ = strings.Cut(text, " (PID ")
			first[text] = true
		}
	}
	for _, l := range strings.Split(end, "\n")[1:] {
		if text, ok := strings.CutPrefix(l, "hk-why: "); ok {
			if text, _, _ = strings.Cut(text, " ("+"2 times)"); !first[text] {
				t.Errorf("only at the end: %q\n%s", text, out)
			}
			lines = append(lines, text)
		}
	}
	return out, lines
}
