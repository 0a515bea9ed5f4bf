package systemd

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"hk/pkg/host"
)

var update = flag.Bool("update", false, "write the golden files anew")

// machine are the files of a machine that the units name.
func machine() fstest.MapFS {
	files := fstest.MapFS{}
	for name, text := range map[string]string{
		"etc/passwd":                     "root:x:0:0:root:/root:/bin/bash\nredis:x:114:120::/var/lib/redis:/usr/sbin/nologin\nwww-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\npostgres:x:105:110::/var/lib/postgresql:/bin/bash\nsystemd-resolve:x:992:992::/:/usr/sbin/nologin\n",
		"etc/group":                      "root:x:0:\nredis:x:120:\nssl-cert:x:111:postgres,redis\nadm:x:4:\nwww-data:x:33:\n",
		"etc/default/daemon":             "# options\nOPTIONS=\"-v --level 3\"\nEMPTY=\n",
		"etc/machine-id":                 "0123456789abcdef0123456789abcdef\n",
		"proc/sys/kernel/hostname":       "box.example.org\n",
		"etc/os-release":                 "ID=debian\nVERSION_ID=\"12\"\n",
		"home/u/.profile":                "",
		"root/.profile":                  "",
		"usr/bin/daemon":                 "",
		"dev/mqueue/q":                   "",
		"srv/root/etc/passwd":            "",
		"var/lib/daemon/x":               "",
		"run/lock/x":                     "",
		"sys/fs/cgroup/cgroup.procs":     "",
		"proc/sys/kernel/random/boot_id": "01234567-89ab-cdef-0123-456789abcdef\n",
		"proc/sys/kernel/osrelease":      "6.18.0\n",
	} {
		files[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	return files
}

// shellOf is what is printed for a unit on a machine with amd64 and 16 GiB, or the error.
func shellOf(u *Unit, files fstest.MapFS) string {
	c := &compiler{unit: u, files: files, host: &host.Host{LastCap: 40}, goarch: "amd64", memory: 16 << 30}
	out, err := c.compile()
	if err == nil {
		var text string
		if text, err = out.shell(u, nil); err == nil {
			return text
		}
	}
	return "error: " + err.Error() + "\n"
}

// unitOf is a unit with lines in [Service].
func unitOf(t *testing.T, lines []string) *Unit {
	u := &Unit{Name: "daemon@two.service", File: "/etc/systemd/system/daemon@.service"}
	list, err := Parse("daemon.service", "[Service]\n"+strings.Join(lines, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	u.Lines = list
	return u
}

const plainCommand = "ExecStart=/usr/bin/daemon"

// TestDirectives compares what single directives come to with a golden file: lines after >
// are those of a unit, and then come those of the output that the plain unit does not
// have.
func TestDirectives(t *testing.T) {
	const file = "testdata/directives.txt"
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	plain := strings.SplitAfter(shellOf(unitOf(t, []string{plainCommand}), machine()), "\n")
	var got strings.Builder
	var lines []string
	flush := func() {
		if lines == nil {
			return
		}
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "ExecStart=") }) {
			lines = append(lines, plainCommand)
		}
		text := strings.SplitAfter(shellOf(unitOf(t, lines), machine()), "\n")
		for _, l := range text {
			if !slices.Contains(plain, l) {
				got.WriteString(l)
			}
		}
		got.WriteString("\n")
		lines = nil
	}
	for _, line := range strings.Split(string(want), "\n") {
		if l, ok := strings.CutPrefix(line, "> "); ok {
			lines = append(lines, l)
			got.WriteString(line + "\n")
			continue
		}
		flush()
		if strings.HasPrefix(line, "; ") {
			got.WriteString(line + "\n")
		}
	}
	golden(t, file, string(want), got.String())
	decided(t, got.String())
}

func golden(t *testing.T, file, want, got string) {
	t.Helper()
	if got == want {
		return
	}
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("%s differs; got\n%s", file, got)
}

// decided checks that every directive of systemd is in a block of the golden file that
// says something about it, and that it has a meaning.
func decided(t *testing.T, text string) {
	names, err := os.ReadFile("testdata/systemd-262.txt")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, block := range strings.Split(text, "\n\n") {
		result := ""
		var used []string
		for _, l := range strings.Split(block, "\n") {
			if u, ok := strings.CutPrefix(l, "> "); ok {
				used = append(used, u)
			} else if !strings.HasPrefix(l, ";") {
				result += l
			}
		}
		for _, u := range used {
			name, value, _ := strings.Cut(u, "=")
			is, why := meaningOf(current(name))
			if (is == lost || is == unsaid) && value != "no" && !strings.Contains(result, why) {
				t.Errorf("%s= is not said, and there is no comment with the reason", name)
			}
			shown[name] = shown[name] || result != ""
		}
	}
	n := 0
	for _, name := range strings.Split(string(names), "\n") {
		if name == "" || name[0] == '#' || name[0] == '[' {
			continue
		}
		n++
		is, _ := meaningOf(name)
		switch {
		case is == unknown:
			t.Errorf("nobody has decided what becomes of %s=", name)
		case is == said && !shown[name]:
			t.Errorf("%s= is said, and testdata/directives.txt does not show how", name)
		}
	}
	if n < 270 {
		t.Errorf("only %d directives", n)
	}
}

// FuzzUnit compiles any lines of a unit. Each line of the output is a comment or belongs to
// a command: no value ends a comment or a quote.
func FuzzUnit(f *testing.F) {
	text, err := os.ReadFile("testdata/directives.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, block := range strings.Split(string(text), "\n\n") {
		var lines []string
		for _, l := range strings.Split(block, "\n") {
			if l, ok := strings.CutPrefix(l, "> "); ok {
				lines = append(lines, l)
			}
		}
		f.Add(strings.Join(lines, "\n"))
	}
	f.Add("Foo=a\rtouch x\nExecStart=/x \\n;touch\\n'\"'\"\nStandardInput=journal\u2028touch\n")
	files := machine()
	f.Fuzz(func(t *testing.T, text string) {
		list, err := Parse("x.service", "[Service]\nExecStart=/usr/bin/daemon\n"+text)
		if err != nil {
			return
		}
		out := shellOf(&Unit{Name: "x@y.service", File: "/x@.service", Lines: list}, files)
		if strings.HasPrefix(out, "error: ") {
			return
		}
		quoted := false
		for _, l := range strings.SplitAfter(out, "\n") {
			comment := !quoted && strings.HasPrefix(l, "#")
			if comment && strings.ContainsAny(strings.TrimSuffix(l, "\n"), "\n\r\x00\x1b\u2028") {
				t.Fatalf("a comment goes on: %q", l)
			}
			for i := 0; i < len(l) && !comment; i++ {
				switch {
				case l[i] == '\'':
					quoted = !quoted
				case !quoted && l[i] == '\\':
					i++
				case !quoted && strings.IndexByte(";`$()*?[\"", l[i]) >= 0 && !strings.HasPrefix(l[i:], ":; }") && !strings.HasPrefix(l[i:], "; }"):
					t.Fatalf("%q is not quoted in %q", l[i], l)
				}
			}
		}
		if quoted {
			t.Fatalf("a quote does not end in %q", out)
		}
	})
}

// TestSections checks that nothing in a section where the manager ignores it is dropped in
// silence.
func TestSections(t *testing.T) {
	for text, want := range map[string]string{
		"[Servce]\nPrivateNetwork=yes":   "x.service:4: PrivateNetwork=yes: a service has no section [Servce]",
		"[Unit]\nProtectSystem=strict":   "x.service:4: ProtectSystem=strict: it is in [Unit], and counts only in [Service]",
		"[Install]\nIPAddressDeny=any":   "x.service:4: IPAddressDeny=any: it is in [Install], and counts only in [Service]",
		"[Unit]\nDescription=x\nAfter=y": "", "[X-Foo]\nUser=x": "", "[Unit]\nX-User=x": "",
	} {
		list, err := Parse("x.service", "[Service]\n"+plainCommand+"\n"+text)
		if err != nil {
			t.Fatal(err)
		}
		out := shellOf(&Unit{Name: "x.service", File: "/x.service", Lines: list}, machine())
		_, got, _ := strings.Cut(out, "# not enforced: ")
		if got, _, _ = strings.Cut(got, "\n"); got != want {
			t.Errorf("%q: %q; want %q", text, got, want)
		}
	}
}

// TestAliases checks that drop-ins of a unit and of its alias count.
func TestAliases(t *testing.T) {
	const dir = "etc/systemd/system/"
	files := fstest.MapFS{
		dir + "main.service":            {Data: []byte("[Service]\n")},
		dir + "main.service.d/a.conf":   {Data: []byte("[Service]\nPrivateNetwork=yes\n")},
		dir + "alias.service.d/b.conf":  {Data: []byte("[Service]\nPrivateTmp=yes\n")},
		dir + "alias.service":           {Data: []byte("main.service"), Mode: fs.ModeSymlink | 0o777},
		dir + "t@.service":              {Data: []byte("[Service]\n")},
		dir + "t@one.service.d/c.conf":  {Data: []byte("[Service]\nPrivateIPC=yes\n")},
		dir + "u@.service":              {Data: []byte("t@.service"), Mode: fs.ModeSymlink | 0o777},
		dir + "linked.service":          {Data: []byte("../../../opt/main.service"), Mode: fs.ModeSymlink | 0o777},
		"opt/main.service":              {Data: []byte("[Service]\n")},
		dir + "linked.service.d/d.conf": {Data: []byte("[Service]\nUMask=077\n")},
	}
	for name, want := range map[string]string{"main": "main.service PrivateNetwork", "alias": "main.service PrivateNetwork PrivateTmp",
		"u@one.service": "t@one.service PrivateIPC", "linked": "linked.service UMask"} {
		u, err := Load(files, name, "/")
		if err != nil {
			t.Error(err)
			continue
		}
		got := u.Name
		for _, a := range u.Lines {
			got += " " + a.Name
		}
		if got != want {
			t.Errorf("%s: %s; want %s", name, got, want)
		}
	}
}

// TestUnits compares the chains of whole units with golden ones.
func TestUnits(t *testing.T) {
	units, err := filepath.Glob("testdata/units/*.service")
	if err != nil || len(units) == 0 {
		t.Fatal("no units", err)
	}
	for _, unit := range units {
		text, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		files := machine()
		name := filepath.Base(unit)
		files["usr/lib/systemd/system/"+name] = &fstest.MapFile{Data: text, Mode: 0o644}
		if strings.Contains(name, "@") {
			name = strings.Replace(name, "@", "@10.0.0.1-22", 1)
		}
		u, err := Load(files, name, "/")
		if err != nil {
			t.Error(err)
			continue
		}
		file := strings.TrimSuffix(unit, ".service") + ".txt"
		want, _ := os.ReadFile(file)
		golden(t, file, string(want), shellOf(u, files))
	}
}
