package hakoniwa

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hk/internal/profile"
	"hk/pkg/chain"
	"hk/pkg/host"
)

// TestConfigErrors has what is wrong with a value, with its line.
func TestConfigErrors(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"hostname = \"\"", "1: hostname: a name has 1 to 64 bytes"},
		{"domainname = \"a\\u0000\"", "1: domainname: a name has 1 to 64 bytes"},
		{"rootfs = \"\"", "1: rootfs: an empty path"},
		{"[rootdir]\nrw = true", "1: rootdir.path: an empty path"},
		{"[[namespaces]]\ntype = \"mount\"", `2: namespaces.type: "mount" is not one of cgroup, ipc, network, uts, time`},
		{"[[mounts]]\n", "1: mounts.source: a path is needed"},
		{"[[mounts]]\nsource = \"/etc\"\ntype = \"bnd\"", `3: mounts.type: "bnd" is not bind, devfs, tmpfs, proc, mqueue, sysfs, cgroup2, dev-bind, overlay, ro-overlay, tmp-overlay`},
		{"[[mounts]]\ntype = \"tmpfs\"", "1: mounts.destination: it is needed"},
		{"[[mounts]]\ntype = \"tmpfs\"\nsource = \"/x\"\ndestination = \"/\"", "3: mounts.source: tmpfs has none: it must be empty"},
		{"[[mounts]]\nsource = \"/etc\"\ndestination = \"etc\"", `3: mounts.destination: "etc" is not an absolute path`},
		{"[[mounts]]\nsource = \"/etc\"\ndestination = \"\"", `3: mounts.destination: "" is not an absolute path`},
		{"[[mounts]]\nsource = \"/etc\"\nlower = [\"/x\"]", "1: mounts.type: lower, upper and work are for overlays only"},
		{"[[mounts]]\ntype = \"overlay\"\ndestination = \"/x\"", "1: mounts.lower: the layers are needed"},
		{"[[mounts]]\ntype = \"tmpfs\"\ndestination = \"/x\"\nrw = true", "2: mounts.type: rw and optional are for bind mounts only"},
		{"[[mounts]]\nsource = \"/\\u0000\"", "2: mounts.source: a null byte"},
		{"[filesystem]\ndirs = [{ destination = \"x\" }]", `2: filesystem.dirs.destination: "x" is not an absolute path`},
		{"[filesystem]\ndirs = [{ destination = \"/x\", mode = \"8\" }]", `2: filesystem.dirs.mode: "8" is not an octal mode`},
		{"[filesystem]\nprotect = [{ destination = \"/x\", access = \"rw\" }]", `2: filesystem.protect.access: "rw" is not one of deny, ro`},
		{"[filesystem]\nsymlinks = [{ link = \"/x\" }]", "2: filesystem.symlinks.original: an empty path"},
		{"[[envs]]\nvalue = \"x\"", `1: envs.name: "" is not the name of a variable`},
		{"[[envs]]\nname = \"A=B\"", `2: envs.name: "A=B" is not the name of a variable`},
		{"[network]\nmode = \"bridge\"", `2: network.mode: "bridge" is not one of none, host, pasta`},
		{"[network]\nmode = \"host\"\noptions = [\"-4\"]", "3: network.options: host takes no options"},
		{"[landlock]\nresources = [\n{ type = \"udp\" }]", `3: landlock.resources.type: "udp" is not one of fs, tcp.bind, tcp.connect, udp.bind, udp.connect`},
		{"[[landlock.fs]]\npath = \"/\"\naccess = \"rq\"", `1: landlock.fs: Landlock access "rq" of /: the letters are r, w and x`},
		{"[[landlock.fs]]\npath = \"/\"", "1: landlock.fs.access: it is needed"},
		{"[[landlock.fs]]\npath = \"/\"\naccess = \"r\"\nrights = [\"execute\"]", "4: landlock.fs.rights: only one of access and rights"},
		{"[[landlock.net]]\naccess = \"tcp.bind\"", "1: landlock.net.port: it is needed"},
		{"[[landlock.net]]\nport = 1\naccess = \"tcp\"", `3: landlock.net.access: "tcp" is not one of tcp.bind, tcp.connect, udp.bind, udp.connect`},
		{"[[uidmaps]]\nhost_id = 1", "1: uidmaps.container_id: it is needed"},
		{"[[uidmaps]]\ncontainer_id = 0\ncount = 0", `1: uidmaps: "0" is not a count from 1 to 4294967295`},
		{"[[limits]]\ntype = \"nofiles\"\nvalue = 1", `2: limits.type: "nofiles" is not walltime, max_output, as, core, cpu, data, fsize, locks, memlock, msgqueue, nice, nofile, nproc, rss, rtprio, rttime, sigpending, stack`},
		{"[[limits]]\ntype = \"nofile\"", "1: limits.value: it is needed"},
		{"[[limits]]\ntype = \"nofile\"\nvalue = -1", "3: limits.value: -1 is negative"},
		{"[[limits]]\ntype = \"as\"\nvalue = \"1X\"", `3: limits.value: "1X" is not a number of bytes, such as 1000, 1.5M or 2 MiB`},
		{"[[limits]]\ntype = \"nofile\"\nvalue = 1\nsoft = 1", "3: limits.value: it is both soft and hard: give only those"},
		{"[[limits]]\ntype = \"nofile\"\nsoft = 2\nhard = 1", "1: limits: --nofile=2:1: the soft limit is above the hard limit"},
		{"[[limits]]\ntype = \"walltime\"\nvalue = \"soon\"", `3: limits.value: "soon" is not a number`},
		{"[[limits]]\ntype = \"walltime\"\nvalue = 1.5", "3: limits.value: 1.5 is neither a whole number nor a string"},
		{"[seccomp]\ndefault = \"no\"", "2: seccomp.default: "},
		{"[seccomp]\narchitectures = [\"x\"]", "2: seccomp.architectures: "},
		{"[seccomp]\nrules = [{ action = \"deny\", syscalls = \"nosuch\" }]", "2: seccomp.rules.syscalls: "},
		{"[seccomp]\nrules = [{ action = \"forbid\", syscalls = \"kill\" }]", `2: seccomp.rules.action: "forbid" is not one of allow, deny, kill, log`},
		{"[command]\ncwd = \"/\"", "1: command.cmdline: a program is needed"},
		{"[command]\ncmdline = [\"true\"]\ncwd = \"x\"", `3: command.cwd: "x" is not an absolute path`},
		{"[user]\numask = \"999\"", `2: user.umask: "999" is not an octal mask from 0 to 777`},
		{"[user]\ncaps = \"\"", "2: user.caps: an empty value: leave it out, or write none"},
		{"[seccomp]\npath = \"\"", "2: seccomp.path: an empty value: leave it out, or write none"},
		{"[cgroup]\nio = [\"\"]", "2: cgroup.io: "},
		{"[cgroup]\npids = \"many\"", `2: cgroup.pids: "many" is not a number`},
		{"[cgroup]\nmemory = true", "2: cgroup.memory: true is neither a whole number nor a string"},
		{"[cgroup]\ncpus = 0.0", `2: cgroup.cpus: --cpus=0: "0" is not a number of processors, such as 1.5`},
		{"[user]\nname = \"\"", "2: user.name: an empty value: leave it out, or write none"},
		{"[landlock]\nabi = 0", "2: landlock.abi: 0 is not an ABI, which are counted from 1"},
		{"[landlock]\nlog = \"\"", "2: landlock.log: an empty value: leave it out, or write none"},
		{"[cgroup]\nmemory = 1000\nswap = 0\nmemory_swap = 2000", "4: cgroup.memory_swap: only one of swap and memory_swap"},
		{"[[limits]]\ntype = \"max_output\"\nvalue = 0", "3: limits.value: 0 would be no limit: leave it out"},
		{"[command]\ncmdline = [\"true\"]\ncwd = \"\"", `3: command.cwd: "" is not an absolute path`},
		{"[report]\nproc = true", "1: report.file: it is needed"},
	} {
		file := filepath.Join(t.TempDir(), "x.toml")
		if err := os.WriteFile(file, []byte(test.text+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := readConfig(file, &host.Host{})
		if err == nil {
			t.Errorf("readConfig(%q): no error; want %s", test.text, test.want)
			continue
		}
		if got := strings.TrimPrefix(err.Error(), file+":"); got != test.want && (!strings.HasSuffix(test.want, ": ") || !strings.HasPrefix(got, test.want)) {
			t.Errorf("readConfig(%q): %s; want %s", test.text, got, test.want)
		}
	}
}

// TestFiles compares the chains of configuration files with golden ones: the whole chain
// of an ordinary user, after a line of three dashes.
func TestFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/files/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files", err)
	}
	for _, golden := range files {
		b, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		text, want, _ := strings.Cut(string(b), "---\n")
		file := filepath.Join(t.TempDir(), "x.toml")
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		h := fakeHost(1000)
		s, err := readConfig(file, h)
		if err != nil {
			t.Errorf("%s: %v", golden, err)
			continue
		}
		made, err := Compile(&s, h)
		if err != nil {
			t.Errorf("%s: %v", golden, err)
			continue
		}
		c := chain.Compiled(nil, chain.Common{StatusFD: -1}, made.Stages, made.Payload)
		if err := c.Check(); err != nil {
			t.Errorf("%s: %v", golden, err)
			continue
		}
		got := printed(c)
		switch {
		case got == want:
		case *update:
			if err := os.WriteFile(golden, []byte(text+"---\n"+got), 0o644); err != nil {
				t.Fatal(err)
			}
		default:
			t.Errorf("%s differs; got\n%s", golden, got)
		}
	}
}

// TestUndo checks that what was created for a chain that cannot be performed is removed,
// but not what was there, nor what has been put into it.
func TestUndo(t *testing.T) {
	dir := t.TempDir()
	there := filepath.Join(dir, "there")
	if err := os.Mkdir(there, 0o755); err != nil {
		t.Fatal(err)
	}
	actions := []profile.Action{{Func: "fs_mkdir", Path: there + "/a/b"}, {Func: "fs_touch", Path: there + "/file"}, {Func: "fs_mkdir", Path: there + "/full/x"}}
	m := &maker{host: host.This()}
	defer m.close()
	todo := pending(actions, m.host)
	if err := m.do(todo); err != nil || len(todo) != 3 {
		t.Fatal(todo, err)
	}
	for _, a := range actions {
		if _, err := os.Stat(a.Path); err != nil {
			t.Error(err)
		}
	}
	if left := pending(actions, m.host); left != nil {
		t.Errorf("still to be done: %v", left)
	}
	if err := os.WriteFile(there+"/full/mine", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	m.undo()
	var names []string
	filepath.WalkDir(there, func(p string, _ os.DirEntry, err error) error {
		names = append(names, strings.TrimPrefix(p, there))
		return err
	})
	if got, want := strings.Join(names, " "), " /full /full/mine"; got != want {
		t.Errorf("what is left: %q; want %q", got, want)
	}
}

// TestActionErrors has what cannot be created.
func TestActionErrors(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ call, path, want string }{
		{"fs_mkdir", dir + "/file", "not a directory"},
		{"fs_mkdir", dir + "/file/x", "not a directory"},
		{"fs_touch", dir + "/none/x", "no such file or directory"},
	} {
		m := &maker{host: host.This()}
		defer m.close()
		err := m.do([]profile.Action{{Func: test.call, Path: test.path, At: "x.toml"}})
		if err == nil || !strings.HasPrefix(err.Error(), "x.toml: "+test.call) || !strings.HasSuffix(err.Error(), test.want) {
			t.Errorf("%s(%q): %v; want %s", test.call, test.path, err, test.want)
		}
	}
}
