package chain

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"hk/pkg/host"
	"hk/pkg/ids"
	"hk/pkg/plan"
	"hk/pkg/run"

	"golang.org/x/sys/unix"
)

var update = flag.Bool("update", false, "write the golden files anew")

// fakeHost is a host that does not depend on the machine: a merged /usr, an ordinary
// user with subordinate IDs, Landlock ABI 7.
func fakeHost(uid uint32) *host.Host {
	const all = 1<<41 - 1
	files := map[string]fs.FileMode{
		"/": fs.ModeDir, "/usr": fs.ModeDir, "/etc": fs.ModeDir, "/srv": fs.ModeDir, "/home/u": fs.ModeDir, "/home": fs.ModeDir,
		"/bin": fs.ModeSymlink, "/lib": fs.ModeSymlink, "/sbin": fs.ModeSymlink, "/lib64": fs.ModeSymlink,
		"/etc/hosts": 0, "/tree": fs.ModeDir, "/tree/usr": fs.ModeDir, "/tree/proc": fs.ModeDir, "/tree/bin": fs.ModeSymlink,
		"/usr/libexec/hk/hk-cgroup-keeper": 0o755, "/usr/libexec/hk/hk-net-forward": 0o755, "/run/proxy.sock": fs.ModeSocket, "/run": fs.ModeDir,
		"/loose": fs.ModeDir, "/loose/f": 0, "/loose/usr": fs.ModeDir,
	}
	stat := func(p string) (fs.FileMode, error) {
		if strings.HasPrefix(p, "/dev/") {
			return fs.ModeDevice | fs.ModeCharDevice, nil
		}
		if p == "/run/notify" {
			return fs.ModeSocket | 0o777, nil
		}
		if m, ok := files[filepath.Clean(p)]; ok {
			return m, nil
		}
		return 0, unix.ENOENT
	}
	follow := func(p string) (fs.FileMode, error) {
		m, err := stat(p)
		if m&fs.ModeSymlink != 0 {
			m = fs.ModeDir
		}
		if m.IsDir() {
			m |= 0o755
		}
		return m, err
	}
	h := &host.Host{
		UID: uid, GID: uid, Env: []string{"PATH=/usr/bin:/bin", "HOME=/home/u"}, Dir: "/home/u",
		LastCap: 40, Bounding: all, SelfFD: -1, PID: 77, Parent: 66,
		Lstat: stat, ReadOnly: func(string) bool { return false },
		Stat: follow, Owner: func(string) (uint32, uint32, error) { return 1000, 1000, nil },
		Look: func(p string) (host.Found, error) {
			m, err := follow(p)
			return host.Found{IsDir: m.IsDir(), Path: p, Loose: strings.HasPrefix(p, "/loose")}, err
		},
		StatIn:   func(root, p string) (fs.FileMode, error) { return stat(filepath.Join(root, p)) },
		Readlink: func(p string) (string, uint32, error) { return "usr" + filepath.Clean("/"+filepath.Base(p)), 0, nil },
		ReadDir:  func(string) ([]fs.DirEntry, error) { return tree{"bin", "proc", "usr"}.entries(), nil },
		Root:     func() (int, error) { return unix.Open("testdata/root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0) },
		SpareFD:  func() int { return 1023 },
		Rlimit:   func(int) (uint64, uint64) { return 1000, 2000 },
		Has:      func(f host.Feature) bool { return f != host.MemfdExec }, LandlockABI: func() int { return 7 }, LandlockErrata: func() int { return 0b1111 },
		Audit: func() string { return "records are somewhere" },
		SELinux: func(label string) error {
			if label == "none:of:the:policy" {
				return unix.EINVAL
			}
			return nil
		},
		Helper: func(name string) string { return "/usr/bin/" + name },
		Procfs: func() error { return nil },
		Program: func() (host.Program, error) {
			return host.Program{Path: "/usr/bin/hk-unshare", Size: 3000000}, nil
		},
		ProgramAt: func(string) (host.Program, error) { return host.Program{Size: 3000000}, nil },
		TTY:       func() string { return "" },
		FDInfo: func(fd int) (string, error) {
			switch fd {
			case 5:
				return "pos:\t0\nPid:\t77\nNSpid:\t77\n", nil
			case 6:
				return "pos:\t0\nflags:\t0100000\n", nil
			case 7:
				return "Pid:\t-1\nNSpid:\t-1\n", nil
			}
			return "", unix.ENOENT
		},
		GainsPrivileges: func(string) error { return nil },
		TryUserNS:       func() error { return nil },
		UserNS:          func() bool { return false },
		HostRoot:        func() (uint32, bool) { return 0, true },
		OwnNet:          func() bool { return false },
		Mapped:          func() bool { return true },
		NoSetgroups:     func() bool { return false },
		CgroupV2:        func() bool { return true },
		SuidDumpable:    func() int { return 0 }, FilterByPrctl: func() bool { return false }, KeepsNoNewPrivs: func() bool { return false },
		UIDMap: func(pid int) (string, error) {
			switch pid {
			case 42:
				return "", nil
			case 43:
				return "", unix.ENOENT
			case 77:
				return "0 1000 1\n", nil
			case 79:
				return "0 100000 65536\n", nil
			}
			return "0 0 4294967295\n", nil
		},
		SubIDs: func(string) ([]ids.Range, error) {
			return []ids.Range{{First: 100000, Count: 65536}, {First: 300000, Count: 1000}}, nil
		},
	}
	if uid == 0 {
		h.Permitted, h.Effective, h.DropsGroups = all, all, true
	}
	return h
}

type tree []string

func (t tree) entries() []fs.DirEntry {
	var list []fs.DirEntry
	for _, name := range t {
		list = append(list, entry(name))
	}
	return list
}

type entry string

func (e entry) Name() string               { return string(e) }
func (e entry) IsDir() bool                { return true }
func (e entry) Type() fs.FileMode          { return fs.ModeDir }
func (e entry) Info() (fs.FileInfo, error) { return nil, fs.ErrInvalid }

// stagesIn makes a directory with a file for each stage, for a Finder.
func stagesIn(t testing.TB) string {
	dir := t.TempDir()
	for _, k := range Kinds {
		if err := os.WriteFile(filepath.Join(dir, k.Name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func parse(t testing.TB, dir, line string, fuse bool) (*Chain, error) {
	words := strings.Fields(line)
	kind := ByName(words[0])
	if kind == nil {
		t.Fatalf("%q starts with no stage", line)
	}
	return Read(kind, words, &Finder{Dir: dir, Path: dir, Fuse: fuse})
}

// TestPlans compares the plans of testdata/plan with earlier ones. A file contains
// command lines, each with "$" before it for an ordinary user or "#" for root, possibly
// "HK_FUSE=0", "BOX", "MANAGED", "INHERITED", "HYBRID" or "ABI=n", and the plan for it, or
// the error. BOX is a chain that a program prepares, to be started with any command.
// MANAGED is a process that a service manager has started. INHERITED is a
// caller that ignores and blocks signals and has a limit with which this program could
// not start. HYBRID is a host with cgroups of version 1. ABI is the kernel's Landlock ABI;
// with it notes, skipped things and comments are included. A name that ends in _amd64 is that of a file for only that
// architecture.
func TestPlans(t *testing.T) {
	files, err := filepath.Glob("testdata/plan/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files", err)
	}
	dir := stagesIn(t)
	for _, f := range files {
		if strings.HasSuffix(f, "_amd64.txt") && runtime.GOARCH != "amd64" || strings.HasSuffix(f, "/box.txt") && raceDetector {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			for _, line := range strings.Split(string(b), "\n") {
				if strings.HasPrefix(line, "$ ") || strings.HasPrefix(line, "# ") {
					if out.Len() > 0 {
						out.WriteString("\n")
					}
					out.WriteString(line + "\n")
					out.WriteString(planned(t, dir, line))
				}
			}
			got, want := out.String(), string(b)
			if runtime.GOARCH != "amd64" && !*update {
				// The files are for amd64: only what a filter says differs.
				length := regexp.MustCompile(`\{len=\d+\}`)
				got, want = length.ReplaceAllString(got, "{len=N}"), length.ReplaceAllString(want, "{len=N}")
			}
			if *update {
				if err := os.WriteFile(f, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != want {
				g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
				i := 0
				for i < len(g) && i < len(w) && g[i] == w[i] {
					i++
				}
				t.Errorf("%s:%d: got\n%s\nwant\n%s", f, i+1, strings.Join(g[i:min(i+3, len(g))], "\n"), strings.Join(w[i:min(i+3, len(w))], "\n"))
			}
		})
	}
}

func planned(t *testing.T, dir, line string) string {
	uid := uint32(1000)
	if line[0] == '#' {
		uid = 0
	}
	line, box := strings.CutPrefix(line[2:], "BOX ")
	line, unfused := strings.CutPrefix(line, "HK_FUSE=0 ")
	h := fakeHost(uid)
	line, managed := strings.CutPrefix(line, "MANAGED ")
	if managed {
		h.Unique = func() string { return "0123456789abcdef" }
		h.Env = append(h.Env, "NOTIFY_SOCKET=/run/notify", "LISTEN_PID=77", "LISTEN_FDS=1", "WATCHDOG_PID=1", "WATCHDOG_USEC=5")
	}
	line, inherited := strings.CutPrefix(line, "INHERITED ")
	if inherited {
		h.Ignored = 1<<(unix.SIGPIPE-1) | 1<<(unix.SIGCHLD-1) | 1<<(40-1)
		h.Sigmask = 1 << (unix.SIGTERM - 1)
		h.Raised = []host.Rlimit{{Name: "RLIMIT_AS", Resource: unix.RLIMIT_AS, Soft: 1000, Hard: 2000}}
	}
	line, hybrid := strings.CutPrefix(line, "HYBRID ")
	if hybrid {
		h.CgroupV2 = func() bool { return false }
	}
	abi, rest, _ := strings.Cut(line, " ")
	hasABI := strings.HasPrefix(abi, "ABI=")
	if hasABI {
		n, err := strconv.Atoi(abi[len("ABI="):])
		if err != nil {
			t.Fatal(err)
		}
		line, h.LandlockABI = rest, func() int { return n }
		if n < 7 {
			h.LandlockErrata = func() int { return 0 }
		}
	}
	c, err := parse(t, dir, line, !unfused)
	if box {
		if c, err = Parse(strings.Fields(line)); err == nil {
			err = c.fits()
		}
		h.Dumpable, h.Ordinary, h.Groups = true, uid != 0, []uint32{0, 27}
	}
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	var b bytes.Buffer
	if c.Printer() != nil {
		if err := c.Print(h, &b); err != nil {
			return "error: " + err.Error() + "\n"
		}
		return b.String()
	}
	c.Links[0].Common.Explain = "text" // also of what comes after a sealed copy
	s, err := c.Plan(h)
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	if hasABI { // and so it is about what is not there
		for _, n := range s.Report.Notes {
			b.WriteString("note: " + n + "\n")
		}
		for _, l := range s.Report.Skipped {
			b.WriteString("skipped: " + l.What + "\n")
		}
		for _, lines := range s.Report.Comments {
			for _, c := range lines() {
				b.WriteString("; " + c + "\n")
			}
		}
	}
	if err := s.Plan.Text(&b); err != nil {
		t.Fatal(err)
	}
	fromFile(t, s.Plan)
	return strings.ReplaceAll(b.String(), dir, "/usr/local/bin")
}

// FuzzParse checks that a command line that can be parsed is printed as one that parses
// to the same, and that planning does not panic.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/plan/*.txt")
	for _, name := range files {
		b, _ := os.ReadFile(name)
		for _, line := range strings.Split(string(b), "\n") {
			if strings.HasPrefix(line, "$ ") || strings.HasPrefix(line, "# ") {
				line = line[strings.Index(line, "hk-"):]
				f.Add(strings.ReplaceAll(line, " ", "\n"))
			}
		}
	}
	for _, line := range []string{
		`hk-mount --ro=/a\:b,c\,d:/e --fs=a:b\:c:/d:x=e:f,g=\, --file=/a\=b=c\=d true`,
		`hk-mount --overlay=/a\:b:lower=/c\:d:/e\,f,upper=/g,work=/h --tmpfs=/t:mpol=bind:0-3 true`,
		`hk-landlock --ro=/a\,b\\ --allow=/a\:b:read-file,/c:execute true`,
		`hk-setuser --user=DOM\u:g\=:a,b true`,
	} {
		f.Add(strings.ReplaceAll(line, " ", "\n"))
	}
	dir := stagesIn(f)
	find := &Finder{Dir: dir, Path: dir, Fuse: true}
	f.Fuzz(func(t *testing.T, text string) {
		words := strings.Split(text, "\n")
		kind := ByName(words[0])
		if kind == nil || slices.ContainsFunc(words, func(w string) bool {
			return strings.Contains(w, ".json") || strings.Contains(w, "file-from") || strings.Contains(w, "fstab")
		}) {
			return
		}
		c, err := Read(kind, words, find)
		if err != nil {
			return
		}
		args := c.Args()
		again, err := Read(kind, args, find)
		if err != nil {
			t.Fatalf("Parse(%q) prints as %q, which does not parse: %v", words, args, err)
		}
		if !slices.Equal(args, again.Args()) {
			t.Fatalf("Parse(%q) prints as %q, and that as %q", words, args, again.Args())
		}
		if len(c.Payload) == 0 || c.Printer() != nil {
			return
		}
		h := fakeHost(1000)
		h.Program = func() (host.Program, error) { return host.Program{Fixed: true}, nil }
		one, err1 := c.Plan(h)
		two, err2 := again.Plan(h)
		if (err1 == nil) != (err2 == nil) {
			t.Fatalf("%q: %v; %q: %v", words, err1, args, err2)
		}
		if err1 == nil && !one.Next.Stage { // what is executed is a command line as written
			var a, b bytes.Buffer
			one.Plan.Text(&a)
			two.Plan.Text(&b)
			if a.String() != b.String() {
				t.Fatalf("%q and %q have different plans:\n%s\n%s", words, args, &a, &b)
			}
		}
	})
}

// fromFile lays out a plan, writes that and reads it, and compares the plans.
func fromFile(t *testing.T, p *plan.Plan) {
	var program run.Program
	b, err := run.Lay(p).MarshalBinary()
	if err != nil {
		if !slices.ContainsFunc(p.Items(), func(it plan.Item) bool { return it.Step != nil || it.Actor == plan.Observer }) {
			t.Error(err)
		}
		return
	}
	if err := program.UnmarshalBinary(b); err != nil {
		t.Error(err)
		return
	}
	again, err := program.MarshalBinary()
	if err != nil || !bytes.Equal(b, again) {
		t.Errorf("%d bytes read and written are %d, %v; want the same", len(b), len(again), err)
	}
	var want, got bytes.Buffer
	p.Text(&want)
	program.Plan().Text(&got)
	if got.String() != want.String() {
		t.Errorf("the plan from a file is\n%s; want\n%s", &got, &want)
	}
}
