package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"hk/pkg/plan"
)

// chains are command lines that together use every op.
var chains = []struct {
	name  string
	root  bool // needs root
	pasta bool
	line  string
}{
	{name: "full", line: "hk-unshare --all --hostname box hk-idmap --root hk-mount --rootfs / --proc --dev /dev --tmpfs /tmp:size=1M,mode=0700 hk-setuser --caps none hk-limit --nofile 256 --core 0 hk-landlock --ro / --rx /usr --rw /tmp,/dev hk-seccomp --profile podman -- /usr/bin/true"},
	{name: "init", line: "hk-unshare --all --init hk-idmap --root hk-mount --rootfs / --proc -- /usr/bin/true"},
	{name: "user only", line: "hk-unshare --user --setsid --close-fds=5 hk-idmap -- /usr/bin/true"},
	{name: "time", line: "hk-unshare --user --time --boottime 5 --monotonic 7 hk-idmap -- /usr/bin/true"},
	{name: "keep caps", line: "hk-unshare --user --keep-caps hk-idmap -- /usr/bin/true"},
	{name: "no nested", line: "hk-unshare --user --no-nested-userns --keep-caps hk-idmap -- /usr/bin/true"},
	{name: "files", line: "hk-unshare --user --mount hk-idmap --root hk-mount --rootfs / --writable-root --dir /a/b:0700 --dir /a/b:0750 --file /a/t=text --symlink b:/a/l --file /a/l/x:0600:0:0= --chmod /a/t:0400 --tmpfs /a/r:ro --ro /etc/passwd:/a/p --file /a/p=new --chdir /a -- /usr/bin/true"},
	{name: "root dir", line: "hk-unshare --user --mount --pid hk-idmap --root hk-mount --root / --proc --tmpfs /tmp --dir /tmp/x --ro /usr:/mnt --read-only /tmp/x -- /usr/bin/true"},
	{name: "fstab", line: "hk-unshare --user --mount --pid hk-idmap --root hk-mount --rootfs / --fstab $BIN/fstab -- /usr/bin/true"},
	{name: "limits", line: "hk-limit --as 8G --core 0 --cpu 60 --data 4G --fsize 1G --locks 10 --memlock 64K --msgqueue 1K --nice 0 --nofile 64:128 --nproc 1000 --rss 1G --rtprio 0 --rttime 1s --sigpending 100 --stack 8M -- /usr/bin/true"},
	{name: "landlock", line: "hk-landlock --rwx / --tcp-bind 80 --tcp-connect 443,8080 --scope signal,abstract-unix-socket --ro /etc/passwd -- /usr/bin/true"},
	{name: "landlock's flags", line: "hk-landlock --allow /:execute+read_file+read_dir --ignore-missing --ro /absent --restrict tcp-bind --log exec hk-landlock --restrict make_sock -- /usr/bin/true"},
	{name: "landlock in a child", line: "hk-unshare --user hk-idmap hk-landlock --rx / --ignore-missing --ro /absent -- /usr/bin/true"},
	{name: "closure", line: "hk-landlock --exec-closure /usr/bin/true -- /usr/bin/true"},
	{name: "closure in a new root", line: "hk-unshare --user --mount hk-idmap --root hk-mount --rootfs / hk-landlock --exec-closure true -- /usr/bin/true"},
	{name: "path", line: "hk-seccomp --profile audit -- true"},
	{name: "docker", line: "hk-setuser --no-new-privs --umask 077 hk-seccomp --profile docker -- /usr/bin/true"},
	{name: "rules", line: "hk-seccomp --profile none --deny mkdirat:EXDEV --default allow --arch native -- /usr/bin/true"},
	{name: "not fused", line: "hk-limit --core 0 /usr/bin/env hk-limit --nofile 64 -- /usr/bin/true"},
	{name: "loopback", line: "hk-unshare --all hk-idmap --root hk-mount --rootfs / --proc hk-net --loopback hk-setuser --caps none -- /usr/bin/true"},
	{name: "loopback with init", line: "hk-unshare --user --pid --net --init hk-net --loopback hk-idmap -- /usr/bin/true"},
	{name: "pasta", pasta: true, line: "hk-unshare --user --net --pid hk-idmap --root hk-net --loopback --pasta hk-setuser --caps none -- /usr/bin/true"},
	{name: "pasta with init", pasta: true, line: "hk-unshare --user --net --pid --init hk-idmap hk-net --pasta=-t,none -- /usr/bin/true"},
	{name: "loopback in the caller", root: true, line: "hk-unshare --net hk-net --loopback -- /usr/bin/true"},
	{name: "forward", line: "hk-unshare --user --net --pid hk-idmap hk-net --forward 80:$SOCKET --forward 127.0.0.2:80:$SOCKET hk-setuser --caps none -- /usr/bin/true"},
	{name: "forward with IPv6", line: "hk-unshare --all hk-idmap --root hk-net --forward [::1]:80:$SOCKET hk-mount --rootfs / -- /usr/bin/true"},
	{name: "expose", line: "hk-unshare --all --init hk-idmap hk-mount --rootfs / hk-net --forward 80:$SOCKET --expose 80:$NEW -- /usr/bin/true"},
	{name: "expose without user namespace", root: true, line: "hk-unshare --net hk-net --forward 80:$SOCKET --expose 80:$NEW -- /usr/bin/true"},
	{name: "in place", root: true, line: "hk-unshare --mount --ipc --net --uts --cgroup hk-mount --in-place --tmpfs /tmp --mqueue /mnt --ro /etc:/srv hk-setuser --user nobody -- /usr/bin/true"},
	{name: "root's caps", root: true, line: "hk-setuser --user 65534:65534:65534 --caps +kill --securebits noroot -- /usr/bin/true"},
	{name: "root without user namespace", root: true, line: "hk-unshare --pid --mount --init hk-mount --rootfs / --proc --sysfs /sys --dev-bind /dev hk-setuser --user nobody:nogroup:nogroup -- /usr/bin/true"},
	{name: "root's names", root: true, line: "hk-unshare --all hk-idmap -u 0:0:70000 -g 0:0:70000 hk-mount --rootfs / --proc hk-setuser --user nobody --caps +net_bind_service -- /usr/bin/true"},
	{name: "root's map", root: true, line: "hk-unshare --all hk-idmap -u 0:0:1000 -g 0:0:1000 hk-setuser --groups 5,6 -- /usr/bin/true"},
	{name: "limit before the clone", root: true, line: "hk-limit --nofile 100 hk-unshare --user hk-idmap -- /usr/bin/true"},
	{name: "id-mapped", root: true, line: "hk-unshare -Ump hk-idmap -u 0:100000:65536 -g 0:100000:65536 hk-setuser --user 0:0 hk-mount --rootfs / --ro $BIN:/b:idmap --ro $BIN:/c:idmap=b:0:1:1 -- /usr/bin/true"},
	{name: "id-mapped by the caller", root: true, line: "hk-mount --rootfs / --ro $BIN:/b:idmap=b:1000:0:1 -- /usr/bin/true"},
	{name: "with the parent", root: true, line: "hk-unshare --die-with-parent --mount hk-setuser --user nobody -- /usr/bin/true"},
	{name: "a child with the parent", line: "hk-unshare --die-with-parent --user --pid --init hk-idmap -- /usr/bin/true"},
	{name: "inherited", line: "probe inherit 13,17,37 10 none hk-limit --core 0 -- /usr/bin/true"},
	{name: "inherited by a child", line: "probe inherit 13,17,37 10 none hk-unshare --user --pid --init hk-idmap hk-seccomp -- /usr/bin/true"},
	{name: "named by a service manager", line: "managed hk-unshare --user --pid hk-idmap hk-seccomp -- /usr/bin/true"},
	{name: "observed", line: "hk-unshare --user --pid hk-inspect --assert env.PATH hk-idmap --root hk-inspect --assert uid=0 hk-limit --core 0 -- /usr/bin/true"},
	{name: "observed with a deferred limit", line: "hk-limit --nofile 64 hk-unshare --user --pid --init hk-idmap hk-inspect --assert limit.nofile=64 hk-landlock --ro / --rx /usr -- /usr/bin/true"},
	{name: "observed after the start", root: true, line: "hk-limit --wall 1h hk-inspect --assert uid=0 hk-setuser --user nobody hk-inspect --assert uid!=0 hk-limit --core 0 -- /usr/bin/true"},
	{name: "mount alone", root: true, line: "hk-mount --rootfs / -- /usr/bin/true"},
}

// TestExplain compares what --explain prints with what strace sees: the same calls with
// the same arguments, in the same process, in the same order, with none between, before
// or after them. Results are identified by their descriptor numbers.
//
// The processes are not dumpable, so strace runs as root, even for the chains of an
// ordinary user.
func TestExplain(t *testing.T) {
	require(t, "strace", have("strace"))
	if os.Getuid() != 0 {
		t.Skip("an ordinary user's strace cannot look at a process that is not dumpable: root's run does it as nobody")
	}
	socket := filepath.Join(openDir(t), "socket")
	l, err := net.Listen("unix", socket)
	if err != nil || os.Chmod(socket, 0o666) != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	for _, as := range []string{"root", "nobody"} {
		for _, c := range chains {
			if as != "root" && (c.root || c.pasta && !tunForAll()) {
				continue
			}
			for _, line := range withInit(c.line) {
				name := as + "/" + c.name
				if line != c.line {
					name += ", init"
				}
				t.Run(name, func(t *testing.T) {
					if c.pasta {
						require(t, "pasta, /dev/net/tun and a default route", hasPasta())
					}
					t.Parallel()
					line := strings.NewReplacer("$BIN", bin, "$SOCKET", socket, "$NEW", filepath.Join(openDir(t), "new")).Replace(line)
					explained(t, as, strings.Fields(landlockLine(line)))
				})
			}
		}
	}
}

// explained compares the plan of a chain with what the chain does, run by root or
// nobody.
func explained(t *testing.T, as string, words []string) {
	env := append(os.Environ(), "PATH="+bin+":/usr/bin:/bin", "HK_FUSE=1")
	var before, first []string // the programs that execute strace, and the chain
	if words[0] == "probe" {
		before, words = append([]string{filepath.Join(bin, "probe")}, words[1:5]...), words[5:]
	}
	if words[0] == "managed" {
		first, words = []string{"/bin/sh", "-c", `LISTEN_PID=$$ NOTIFY_SOCKET=@nobody-listens exec "$@"`, "sh"}, words[1:]
	}
	command := func(words ...string) *exec.Cmd {
		words = append(slices.Clip(before), words...)
		return exec.Command(words[0], words[1:]...)
	}
	ex := command(append(first, append([]string{filepath.Join(bin, words[0]), "--explain=json"}, words[1:]...)...)...)
	ex.Env, ex.Dir = env, "/"
	if as != "root" {
		ex.SysProcAttr = &syscall.SysProcAttr{Credential: credentialOf(t, as)}
	}
	var stderr bytes.Buffer
	ex.Stderr = &stderr
	out, err := ex.Output()
	if err != nil {
		if n := newer(stderr.Bytes()); n != "" {
			t.Skip("missing: ", n)
		}
		t.Fatalf("--explain: %v\n%s", err, &stderr)
	}
	var items []plan.Explained
	if err := json.Unmarshal(out, &items); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := command(append(append([]string{"strace", "-ff", "-qq", "-o", dir + "/s", "-s", "1000000", "-u", as,
		"-e", "abbrev=execve,execveat"}, first...), append([]string{filepath.Join(bin, words[0])}, words[1:]...)...)...)
	cmd.Env, cmd.Dir = env, "/"
	stderr.Reset()
	cmd.Stdout, cmd.Stderr = &stderr, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v\n%s", words, err, &stderr)
	}
	traces := map[string][]string{}
	files, _ := filepath.Glob(dir + "/s.*")
	for _, f := range files {
		b, _ := os.ReadFile(f)
		pid := strings.TrimPrefix(f, dir+"/s.")
		signal := false
		for _, l := range strings.Split(strings.TrimSpace(string(b)), "\n") {
			// The Go runtime interrupts its own threads with signals, more often on a
			// slower machine. The supervisor's handler writes them to a pipe.
			noted := signal && strings.HasPrefix(l, "write(") && strings.HasSuffix(l, ", 128) = 128")
			signal = strings.HasPrefix(l, "---")
			if !noted && !signal && !strings.HasPrefix(l, "+++") && !strings.HasPrefix(l, "rt_sigreturn(") {
				traces[pid] = append(traces[pid], l)
			}
		}
	}
	m := match{t: t, values: map[string]string{}}
	for _, who := range []string{"caller", "init", "joiner", "child", "observer"} {
		var ops []op
		step := false
		for _, it := range items {
			step = step || it.Process == "supervisor"
			if it.Process == who {
				// The caller performs supervisor steps, and clones, in Go.
				ops = append(ops, op{it, who == "caller" && (step || it.Syscall == "clone3")})
				// So does the runtime of an executed program.
				step = it.Syscall == "execveat"
			}
			if who == "observer" && step && len(ops) > 0 { // the next one is another process
				m.process(who, ops, traces)
				ops, step = nil, false
			}
		}
		if len(ops) > 0 {
			m.process(who, ops, traces)
		}
	}
}

// credentialOf is what a user without supplementary groups has.
func credentialOf(t *testing.T, name string) *syscall.Credential {
	t.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.ParseUint(u.Uid, 10, 32)
	gid, _ := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// An op is an item of a plan; loose means that other calls may come before it.
type op struct {
	plan.Explained
	loose bool
}

// A match follows a plan through the traces.
type match struct {
	t *testing.T
	// values are the results by name.
	values map[string]string
}

// process finds the only trace that contains a process's ops, and checks it.
func (m *match) process(who string, ops []op, traces map[string][]string) {
	m.t.Helper()
	best, most := "there is no trace", -1
	for pid, lines := range traces {
		start := 0
		if who == "caller" {
			// The ops are consecutive among the calls of the Go runtime.
			want := m.pattern(ops[0].Op)
			start = slices.IndexFunc(lines, func(l string) bool { return want.MatchString(normal(l)) })
			if start < 0 {
				continue
			}
		}
		n, why := m.try(ops, lines[start:])
		if why == "" {
			return
		}
		if n > most {
			best, most = "trace of "+pid+": "+why, n
		}
	}
	m.t.Errorf("no process did what the plan says of %s; %s", who, best)
}

// try compares ops with the start of a trace. It returns how many match and why the
// next one does not.
func (m *match) try(ops []op, lines []string) (int, string) {
	saved := maps.Clone(m.values)
	fail := func(n int, why string) (int, string) {
		m.values = saved
		return n, why
	}
	for i, op := range ops {
		re := m.pattern(op.Op)
		for op.loose && len(lines) > 0 && !re.MatchString(normal(lines[0])) {
			lines = lines[1:]
		}
		if len(lines) == 0 {
			return fail(i, "it ends before "+op.Op)
		}
		line := normal(lines[0])
		lines = lines[1:]
		sub := re.FindStringSubmatch(line)
		if sub == nil {
			return fail(i, "\n plan   "+op.Op+"\n regexp "+re.String()+"\n strace "+line)
		}
		for j, name := range re.SubexpNames() {
			if name != "" {
				m.values["$"+name] = sub[j]
			}
		}
		result := line[strings.LastIndex(line, " = ")+3:]
		for _, g := range op.Gives {
			if strings.HasPrefix(result, "-1") {
				m.values[g] = "-1"
				continue
			}
			if m.values[g] = strings.TrimLeft(result, "0"); m.values[g] == "" {
				m.values[g] = "0"
			}
		}
		if op.Syscall == "execve" && result == "0" {
			return len(ops), ""
		}
		if strings.HasPrefix(result, "-1") && !slices.Contains(op.Tolerated, strings.Fields(result)[1]) {
			return fail(i, "failed: "+line)
		}
	}
	return len(ops), ""
}

var resultName = regexp.MustCompile(`\\\$([a-z]+\d*)`)

// pattern is an op as a regular expression. A known result must be that number; an
// unknown one becomes known where it is first used.
func (m *match) pattern(op string) *regexp.Regexp {
	seen := map[string]bool{}
	s := regexp.QuoteMeta(normal(op))
	s = resultName.ReplaceAllStringFunc(s, func(name string) string {
		name = name[2:]
		v, ok := m.values["$"+name]
		switch {
		case name == "groups":
			return `\[.*\]`
		case ok:
			return "0*" + v
		case seen[name]:
			return `\d+`
		}
		seen[name] = true
		return `(?P<` + name + `>\d+)`
	})
	// strace also prints the filter.
	s = regexp.MustCompile(`\\\{len=(\d+)\\\}`).ReplaceAllString(s, `\{len=$1, filter=.*\}`)
	if strings.HasPrefix(op, "recvfrom") {
		s = strings.Replace(s, `""`, `(""|0x[0-9a-f]+)`, 1) // nothing was received
	}
	// strace before 6.7 does not know Landlock's ports, networks and scopes.
	if strings.Contains(op, "LANDLOCK_RULE_NET_PORT") {
		s = `landlock_add_rule\(\d+, (LANDLOCK_RULE_NET_PORT|0x2), .*, 0\)`
	}
	// And it prints the flags of landlock_restrict_self(2) as a number.
	if i := strings.Index(s, ", LANDLOCK_RESTRICT_SELF_"); i >= 0 {
		flags := 0
		for j, name := range []string{"LOG_SAME_EXEC_OFF", "LOG_NEW_EXEC_ON", "LOG_SUBDOMAINS_OFF"} {
			if strings.Contains(op, name) {
				flags |= 1 << j
			}
		}
		s = fmt.Sprintf(`%s, (%s|%#x)\)`, s[:i], strings.TrimSuffix(s[i+2:], `\)`), flags)
	}
	if strings.HasPrefix(op, "landlock_create_ruleset") {
		s = regexp.MustCompile(`, handled_access_net=.*\\}`).ReplaceAllString(s, `(, .*)?\}`)
	}
	return regexp.MustCompile(`^` + s + `\s+= `)
}

var (
	comment  = regexp.MustCompile(` /\* .*?\?\?\? \*/`)
	envp     = regexp.MustCompile(`(0x[0-9a-f]+ )?(/\* \d+ vars?)(, [^*]*)? \*/`)
	cloneOut = regexp.MustCompile(`, (pidfd|stack|stack_size)=0x[0-9a-f]+| => \{.*?\}`)
	// Every start has another.
	notifyName = regexp.MustCompile(`hk-notify-[0-9a-f]{32}`)
	flagList   = regexp.MustCompile(`[A-Z0-9_<]+(\|[A-Z0-9_<]+)+`)
	newFlags   = regexp.MustCompile(`\|(0x[48c]000\b|LANDLOCK_ACCESS_FS_(TRUNCATE|IOCTL_DEV))`)
)

// normal brings a line of strace and an op into the same form: without addresses, and
// with flags in one order.
func normal(line string) string {
	line = comment.ReplaceAllString(line, "")
	line = envp.ReplaceAllString(line, "$2 */")
	line = notifyName.ReplaceAllString(line, "hk-notify")
	if strings.HasPrefix(line, "clone3") {
		line = cloneOut.ReplaceAllString(line, "")
	}
	if strings.HasPrefix(line, "memfd_create") {
		line = strings.Replace(line, "|0x10", "|MFD_EXEC", 1) // strace before 6.3
	}
	if strings.HasPrefix(line, "landlock") {
		// strace before 6.3 has no names for these, and prints 0 if there are no
		// others.
		line = newFlags.ReplaceAllString(line, "")
	}
	line = flagList.ReplaceAllStringFunc(line, func(list string) string {
		f := strings.Split(list, "|")
		slices.Sort(f)
		return strings.Join(f, "|")
	})
	return line
}
