package hakoniwa

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hk/internal/cli"
	"hk/pkg/chain"
	"hk/pkg/host"
	"hk/pkg/ids"

	"golang.org/x/sys/unix"
)

var update = flag.Bool("update", false, "write the golden files anew")

// fakeHost is a host that does not depend on the machine. An ordinary user has
// subordinate IDs; root has none.
func fakeHost(uid uint32) *host.Host {
	files := map[string]fs.FileMode{
		"/": fs.ModeDir, "/usr": fs.ModeDir, "/etc": fs.ModeDir, "/srv": fs.ModeDir, "/home/u": fs.ModeDir, "/home/u/p": fs.ModeDir,
		"/dev": fs.ModeDir, "/dev/snd": fs.ModeDir, "/dev/null": fs.ModeDevice | fs.ModeCharDevice, "/srv/null": fs.ModeDevice | fs.ModeCharDevice,
		"/usr/bin/make": 0o755, "/usr/bin/data": 0o644, "/bin/data": 0o755, "/usr/bin/sh": 0o755, "/etc/hosts": 0o644,
		"/tree": fs.ModeDir, "/tree/bin": fs.ModeDir, "/empty": fs.ModeDir, "/odd:name": fs.ModeDir, "/home/u/my.json": 0o644, "/home/u/bin/mine": 0o755,
	}
	h := &host.Host{LastCap: 40,
		UID: uid, GID: uid, Env: []string{"PATH=/usr/bin:/bin/:bin", "HOME=/home/u", "TOKEN=secret"}, Dir: "/home/u", SelfFD: -1,
		Stat: func(p string) (fs.FileMode, error) {
			if !filepath.IsAbs(p) {
				p = "/home/u/" + p
			}
			if m, ok := files[filepath.Clean(p)]; ok {
				return m, nil
			}
			return 0, unix.ENOENT
		},
		LandlockABI: func() int { return 7 },
		NoSetgroups: func() bool { return false },
		SubIDs:      func(string) ([]ids.Range, error) { return []ids.Range{{First: 100000, Count: 65536}}, nil },
	}
	if uid == 0 {
		h.Permitted, h.Effective = 1<<41-1, 1<<41-1
		h.SubIDs = func(string) ([]ids.Range, error) { return nil, nil }
	}
	return h
}

// compiled is the chain of a command line, or its error, as hk-run prints it.
func compiled(words []string, h *host.Host) (*chain.Chain, string, error) {
	l, err := parse(words, Settings{Root: Root{FS: "/", DefaultFS: true}})
	if err != nil {
		return nil, "usage", err
	}
	made, err := Compile(&l.Settings, h)
	if err != nil {
		return nil, "settings", err
	}
	c := chain.Compiled(words, l.Common, made.Stages, made.Payload)
	if err := c.Check(); err != nil {
		return nil, "stages", err
	}
	return c, strings.Join(made.Notes, "\n"), nil
}

// printed is the chain as on amd64.
func printed(c *chain.Chain) string {
	return strings.ReplaceAll(cli.Shell(c), "--arch=aarch64,arm ", "--arch=x86_64,x86,x32 ")
}

// differs are the lines of a chain that are not in that without flags, unless it is that
// one.
func differs(text string, uid uint32) string {
	c, _, _ := compiled(nil, fakeHost(uid))
	plain := strings.SplitAfter(printed(c), "\n")
	lines := slices.DeleteFunc(strings.SplitAfter(text, "\n"), func(l string) bool { return slices.Contains(plain, l) })
	if len(lines) == 0 {
		return text
	}
	return strings.Join(lines, "")
}

// TestChains compares the chains of command lines with golden ones: $ is an ordinary
// user's, # is root's. In a word ~ is a blank. Of a chain only those lines are shown that are not in
// the chain of the same user without flags.
func TestChains(t *testing.T) {
	files, err := filepath.Glob("testdata/chains/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files", err)
	}
	for _, file := range files {
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for _, line := range strings.Split(string(want), "\n") {
			if !strings.HasPrefix(line, "$ hk-run") && !strings.HasPrefix(line, "# hk-run") {
				if strings.HasPrefix(line, "; ") {
					got.WriteString(line + "\n")
				}
				continue
			}
			uid := uint32(1000)
			if line[0] == '#' {
				uid = 0
			}
			words := strings.Fields(line[len("$ hk-run"):])
			for i, w := range words {
				words[i] = strings.ReplaceAll(w, "~", " ")
			}
			c, what, err := compiled(words, fakeHost(uid))
			got.WriteString(line + "\n")
			switch {
			case err != nil:
				got.WriteString(what + ": " + err.Error() + "\n")
			default:
				if what != "" {
					got.WriteString("note: " + what + "\n")
				}
				got.WriteString(differs(printed(c), uid))
			}
			got.WriteString("\n")
		}
		if got.String() == string(want) {
			continue
		}
		if *update {
			if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		t.Errorf("%s differs; got\n%s", file, got.String())
	}
}

// TestOlderLandlock has what is restricted on files where the kernel lacks rights.
func TestOlderLandlock(t *testing.T) {
	for _, c := range []struct {
		abi        int
		flag, want string
		note       bool
	}{
		{1, "--landlock-fs-ro=/a", "--ro=/a --abi=1", true},
		{4, "--landlock-restrict-fs", "--restrict=fs --abi=4", true},
		{5, "--landlock-restrict-fs", "--restrict=fs", false},
		{1, "--landlock-tcp-bind=1", "--tcp-bind=1", false},
		{0, "--landlock-fs-ro=/a", "--ro=/a", false}, // which is an error of the stage
	} {
		h := fakeHost(1000)
		h.LandlockABI = func() int { return c.abi }
		got, notes, err := compiled([]string{c.flag}, h)
		if err != nil {
			t.Errorf("ABI %d, %s: %v", c.abi, c.flag, err)
			continue
		}
		if !strings.Contains(cli.Shell(got), "hk-landlock "+c.want+" ") || (notes != "") != c.note {
			t.Errorf("ABI %d, %s makes\n%s%s\nwant %s", c.abi, c.flag, cli.Shell(got), notes, c.want)
		}
	}
	for _, c := range []struct {
		access string
		abi    int
		want   string
	}{
		{"r", 1, "--ro=/a"}, {"-W", 1, "--allow=/a:write_file+remove_dir+remove_file+make_char+make_dir+make_reg+make_sock+make_fifo+make_block+make_sym"},
		{"xw", 5, "--allow=/a:write_file+remove_dir+remove_file+make_char+make_dir+make_reg+make_sock+make_fifo+make_block+make_sym+refer+truncate+ioctl_dev+execute"},
		{"xwr", 1, "--rwx=/a"}, {"x", 1, "--allow=/a:execute"}, {"-", 1, "--restrict=fs"}, {"rz", 1, "error"},
	} {
		got, err := FSRule{Path: "/a", Access: c.access}.flag(c.abi)
		if err != nil {
			got = "error"
		}
		if got != c.want {
			t.Errorf("access %s on ABI %d is %s; want %s", c.access, c.abi, got, c.want)
		}
	}
}
