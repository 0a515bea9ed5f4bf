package test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestSequences compares what random sequences of flags of hk-mount make in the kernel
// with a model: the same ones in each run, as many as there are in four seconds, so that
// a failure is that of a change. To look for what fails, HK_TEST_SEQUENCES gives a number of
// others, and HK_TEST_SEED selects them.
func TestSequences(t *testing.T) {
	seed, _ := strconv.ParseUint(os.Getenv("HK_TEST_SEED"), 10, 64)
	count, _ := strconv.Atoi(os.Getenv("HK_TEST_SEQUENCES"))
	switch {
	case seed == 0 && count == 0:
		seed = 1
	case seed == 0:
		seed = uint64(time.Now().UnixNano())
	}
	s := newSequences(t)
	for _, kept := range keptSequences {
		if s.possible(kept) {
			s.compare(kept)
		}
	}
	r := rand.New(rand.NewPCG(seed, 0))
	start, n := time.Now(), 0
	results := map[string]int{}
	for ; n < count || count == 0 && time.Since(start) < 4*time.Second; n++ {
		flags := s.random(r)
		result, ok := s.agrees(flags)
		if results[result]++; !ok {
			s.compare(s.shrink(flags))
			t.Fatalf("seed %d, sequence %d", seed, n)
		}
	}
	t.Logf("seed %d: %d sequences: %v", seed, n, results)
}

// keptSequences have failed once. The first word is the kind of root, and what begins
// with @ is in the tree of the host.
var keptSequences = [][]string{
	{"", "--tmpfs /a", "--ro @src:/b", "--tmpfs /b/abs", "--dir /a/x"},
	{"--root @src", "--tmpfs /a", "--tmpfs /d", "--dir /a/x", "--dir /d/y"},
	{"--root-rw @src", "--tmpfs /d/l", "--ro @src:/up", "--tmpfs /b/d/e", "--dir /b/l/e/z"},
	{"--ephemeral @low", "--dir /abs/new", "--tmpfs /a/new", "--dir /abs/new/x"},
	{"--ephemeral @low", "--tmp-overlay @low2:/d/e"},
	{"--in-place @src", "--mask /d"},
	{"--in-place @src", "--mask /b", "--try-read-only /b/d"},
	{"--in-place @src", "--tmpfs /a:ro", "--try-mask /a/x"},
	{"--in-place @src", "--create", "--tmpfs /d/abs/d:noatime,dev"},
	{"--in-place @src", "--tmpfs /../a:ro", "--protect /none/l:ro"},
	{"--in-place @src", "--create", "--dir /e/lf:700", "--try-mask /e/up/a", "--mask /e/lf"},
	{"--ephemeral @low", "--dir /e/lf:700", "--try-mask /e/up/a", "--mask /e/lf"},
	{"", "--create", "--overlay /x:lower=@low,upper=@up,work=@work", "--symlink d/g:/x/f"},
	{"", "--create", "--overlay /x:lower=@low,upper=@up,work=@work", "--symlink d/g:/x/lf", "--symlink d:/x/new"},
	{"", "--tmp-overlay /x:lower=@low:@low2", "--symlink d/g:/x/lf", "--symlink d:/x/new2"},
	{"--root-rw @src", "--read-only /:norec", "--protect /a/x", "--protect /y"},
	{"", "--writable-root", "--read-only /:norec", "--dir /a", "--protect /a/x", "--protect /y"},
	{"--ephemeral @low", "--read-only /abs:norec", "--protect /a/f:ro"},
	{"", "--tmpfs /a:ro", "--protect /a/x"},
	{"", "--tmpfs /a", "--dir /a/b", "--read-only /a", "--protect /a/b/x"},
	{"--in-place @src", "--create", "--protect /d/d/up", "--file /l/d/l8:600=xxxxxxxxxx"},
	{"--in-place @src", "--create", "--rw @src:/b", "--dir /new", "--try-read-only /b/new"},
	{"", "--create", "--rw @src:/x", "--ro @src:/y", "--dir /x/new", "--try-read-only /y/new", "--try-mask /x/new"},
	{"", "--create", "--rw @src:/x", "--try-mask /x/d/new", "--rw @src/d:/y", "--file /y/new=xxx", "--try-mask /x/d/new"},
	{"--root-rw @src", "--create", "--rw @src/d:/b", "--symlink e:/d/new", "--tmpfs /b/new", "--dir /b/e/x"},
	{"--in-place @src", "--create", "--overlay /a:lower=@low:@low2,upper=@up,work=@work", "--try-rw @src:/none:ro"},
	{"--ephemeral @low", "--tmp-overlay /new/b:lower=@low:@low2", "--protect /new:ro", "--read-only /new:norec"},
	{"", "--create", "--rw @src:/x", "--file /x/new/f=secret", "--protect /x/new", "--read-only /x/new:norec"},
	{"", "--ro @src/d/l/../d:/x", "--try-mask /x/g", "--try-read-only /x/e", "--protect /x/e/new"},
	{"--ephemeral @low", "--protect /none/new", "--ro-overlay /none/b/lf:lower=@low2:@low"},
}

// sequences has a tree of the host.
type sequences struct {
	*testing.T
	dir   string
	facts facts
	// lacks are the flags that this kernel does not support on this tree.
	lacks []string
}

func newSequences(t *testing.T) *sequences {
	s := &sequences{T: t, dir: t.TempDir()}
	if err := os.Chmod(s.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s.facts.isRoot = os.Getuid() == 0
	s.facts.kind, s.facts.attrs = mountOn(t, s.dir)
	_, s.facts.null = mountOn(t, "/dev/null")
	s.restore(hostTrees())
	for _, flag := range []string{"--overlay /x:lower=@low,upper=@up,work=@work", "--tmp-overlay @low:/x", "--proc /x", "--dev /x"} {
		_, err := s.look([]string{"", flag})
		if _, ok := s.agrees([]string{"", flag}); err == nil && slow > 1 && !ok {
			err = fmt.Errorf("%s: another kernel's is different", flag)
		}
		if err != nil {
			name, _, _ := strings.Cut(flag, " ")
			s.lacks = append(s.lacks, name)
			t.Logf("left out: %v", err)
		}
	}
	if slices.Contains(s.lacks, "--tmp-overlay") {
		s.lacks = append(s.lacks, "--ephemeral", "--ro-overlay")
	}
	s.restore(hostTrees())
	return s
}

func (s *sequences) possible(flags []string) bool {
	return !slices.ContainsFunc(flags, func(f string) bool {
		name, _, _ := strings.Cut(f, " ")
		return slices.Contains(s.lacks, name)
	})
}

// mountOn is the type of the file system on which a file is, and the attributes of the
// mount.
func mountOn(t *testing.T, p string) (kind string, attrs attrSet) {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, p, 0, unix.STATX_MNT_ID, &st); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(b), "\n") {
		f := strings.Fields(line)
		if len(f) < 7 || f[0] != fmt.Sprint(st.Mnt_id) {
			continue
		}
		options := strings.Split(f[5], ",")
		attrs = attrSet(options).without("rw").without("relatime")
		if !slices.Contains(options, "relatime") && !slices.Contains(options, "noatime") {
			attrs = attrs.with("strictatime")
		}
		return f[slices.Index(f, "-")+1], attrs
	}
	t.Fatalf("%s is in no mount", p)
	return "", nil
}

// hostTrees are the directories of the host: one to bind, two layers of overlays, and
// two directories for what changes.
func hostTrees() map[string]*treeNode {
	file := func(text string) *treeNode { return &treeNode{kind: 'f', mode: 0o644, text: text} }
	link := func(to string) *treeNode { return &treeNode{kind: 'l', text: to} }
	trees := map[string]*treeNode{}
	for _, name := range []string{"src", "low"} {
		d := newDirNode(0o755)
		for _, dir := range []string{"a", "b", "d", "dev", "probe", "proc"} {
			d.names[dir] = newDirNode(0o755)
		}
		d.names["a"].mode = 0o711
		d.names["d"].names["e"] = newDirNode(0o755)
		d.names["d"].names["l"] = link("../a")
		d.names["f"] = file("f of " + name)
		d.names["d"].names["g"] = file("g")
		for name, target := range map[string]string{"l": "d", "abs": "/a", "up": "../b/.", "none": "/a/new", "loop": "loop", "lf": "d/g"} {
			d.names[name] = link(target)
		}
		trees[name] = d
	}
	trees["low"].mode = 0o751
	low2 := newDirNode(0o755)
	low2.names["a"] = newDirNode(0o700)
	low2.names["a"].names["h"] = file("h")
	low2.names["d"] = file("d is a file")
	low2.names["new"] = newDirNode(0o755)
	trees["low2"] = low2
	trees["up"], trees["work"] = newDirNode(0o755), newDirNode(0o755)
	return trees
}

// restore makes the trees of the host again.
func (s *sequences) restore(trees map[string]*treeNode) {
	for name, n := range trees {
		filepath.WalkDir(filepath.Join(s.dir, name), func(p string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				os.Chmod(p, 0o700) // an ordinary user could not remove what is in it
			}
			return nil
		})
		if err := os.RemoveAll(filepath.Join(s.dir, name)); err != nil {
			s.Fatal(err)
		}
		s.write(filepath.Join(s.dir, name), n)
	}
}

func (s *sequences) write(p string, n *treeNode) {
	var err error
	switch n.kind {
	case 'f':
		err = os.WriteFile(p, []byte(n.text), 0o644)
	case 'l':
		err = os.Symlink(n.text, p)
	default:
		if err = os.Mkdir(p, 0o755); err == nil {
			err = os.Chmod(p, os.FileMode(n.mode))
		}
	}
	if err != nil {
		s.Fatal(err)
	}
	for name, child := range n.names {
		s.write(filepath.Join(p, name), child)
	}
}

// onHost prints a directory of the host.
func (s *sequences) onHost(p string, lines []string) []string {
	fi, err := os.Lstat(p)
	if err != nil {
		return append(lines, err.Error())
	}
	name := strings.TrimPrefix(p, s.dir)
	switch {
	case fi.IsDir():
		list, err := os.ReadDir(p)
		if err != nil {
			lines = append(lines, err.Error())
		}
		lines = append(lines, fmt.Sprintf("host %s d %o", name, fi.Sys().(*syscall.Stat_t).Mode&0o7777))
		for _, e := range list {
			lines = s.onHost(p+"/"+e.Name(), lines)
		}
		return lines
	case fi.Mode()&os.ModeSymlink != 0:
		to, _ := os.Readlink(p)
		return append(lines, fmt.Sprintf("host %s l %s", name, to))
	}
	b, err := os.ReadFile(p)
	if err != nil {
		b = []byte(err.Error())
	}
	return append(lines, fmt.Sprintf("host %s f %o %s", name, fi.Sys().(*syscall.Stat_t).Mode&0o7777, b))
}

// show prints a directory of the model as onHost does.
func (n *treeNode) show(name string, lines []string) []string {
	switch n.kind {
	case 'd':
		lines = append(lines, fmt.Sprintf("host %s d %o", name, n.mode))
	case 'l':
		return append(lines, fmt.Sprintf("host %s l %s", name, n.text))
	default:
		return append(lines, fmt.Sprintf("host %s f %o %s", name, n.mode, n.text))
	}
	for _, child := range slices.Sorted(maps.Keys(n.names)) {
		lines = n.names[child].show(name+"/"+child, lines)
	}
	return lines
}

// leave are the directories of the root that are not compared.
var leave = []string{"/probe", "/dev", "/proc"}

// model is what flags make, or an error. either means that an error is one too.
func (s *sequences) model(flags []string) (lines []string, either bool, err error) {
	m := &treeModel{host: hostTrees(), facts: s.facts}
	kind, flags := strings.ReplaceAll(flags[0], "@", ""), flags[1:]
	if err := m.begin(kind, flags); err != nil {
		return nil, false, err
	}
	if !m.inPlace {
		flags = append(slices.Clone(flags), "--tmpfs /probe", "--tmpfs /probe/bin", "--tmpfs /probe/proc")
	}
	for _, f := range flags {
		if err := m.apply(strings.ReplaceAll(f, "@", "")); err != nil {
			return nil, m.either, fmt.Errorf("%s: %w", f, err)
		}
	}
	if err := m.end(kind); err != nil {
		return nil, m.either, err
	}
	lines = m.picture(leave)
	for _, dir := range []string{"src", "low", "low2"} {
		lines = m.host[dir].show("/"+dir, lines)
	}
	return lines, m.either, nil
}

// look is what flags make in the kernel.
func (s *sequences) look(flags []string) ([]string, error) {
	cmd := s.command(flags)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		text := slices.DeleteFunc(strings.Split(stderr.String(), "\n"), func(l string) bool { return strings.HasPrefix(l, "hk-mount: skipped: ") })
		if cmd.ProcessState.ExitCode() != 125 || len(text) > 3 {
			s.Errorf("%q: %v: %s", flags, err, stderr.String())
		}
		return nil, fmt.Errorf("%w: %s", err, strings.Join(text, "\n"))
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	slices.Sort(lines)
	for _, dir := range []string{"src", "low", "low2"} {
		lines = s.onHost(filepath.Join(s.dir, dir), lines)
	}
	return lines, nil
}

// command is the command for a sequence of flags. In place, the flags change a root that
// another hk-mount has made, since nothing may change the machine.
func (s *sequences) command(flags []string) *exec.Cmd {
	has := func(prefix string) bool {
		return slices.ContainsFunc(flags, func(f string) bool { return strings.HasPrefix(f, prefix) })
	}
	unshare := []string{"hk-unshare", "--mount"}
	user := []string{"--user", "hk-idmap", "--root"}
	var more []string
	if has("--proc ") || has("--protect ") {
		more = []string{"--pid", "--no-nested-userns"}
	}
	words := slices.Concat(unshare, more, user)
	if s.facts.isRoot && has("how root") && more == nil {
		words = unshare
	}
	host := s.dir
	probe := []string{"--tmpfs", "/probe", "--ro", bin + ":/probe/bin", "--dev-bind", "/proc:/probe/proc:suid"}
	tail := probe
	if flags[0] == "--in-place @src" {
		words = slices.DeleteFunc(words, func(w string) bool { return slices.Contains(more, w) })
		host, tail = "/probe/host", nil
		words = append(words, "hk-mount", "--root-rw", s.dir+"/src", "--dev", "/dev:exec", "--dev-bind", "/proc:/proc:suid")
		words = append(append(words, probe...), "--dev-bind", s.dir+":"+host+":suid", "--")
		words = append(words, unshare...)
		if more != nil {
			words = slices.Concat(words, more, user)
		}
		words = append(words, "hk-mount", "--in-place", "--dir", "/")
	} else {
		words = append(words, "hk-mount")
		words = append(words, strings.Fields(strings.ReplaceAll(flags[0], "@", s.dir+"/"))...)
	}
	for _, f := range flags[1:] {
		kind, value, given := strings.Cut(f, " ")
		if kind == "how" {
			continue
		}
		if value = strings.ReplaceAll(value, "@", host+"/"); given {
			kind += "=" + value
		}
		words = append(words, kind)
	}
	words = append(append(words, tail...), "--", "/probe/bin/probe", "picture", strings.Join(leave, ","))
	for _, f := range flags[1:] {
		if target, ok := strings.CutPrefix(f, "--protect "); ok {
			target, _, _ = strings.Cut(target, ":")
			words = append(words, path.Clean(target))
		}
	}
	cmd := exec.Command(filepath.Join(bin, words[0]), words[1:]...)
	cmd.Env = append(os.Environ(), "PATH="+bin+":/probe/bin:/usr/bin:/bin")
	if has("how chain") {
		cmd.Env = append(cmd.Env, "HK_FUSE=0")
	}
	return cmd
}

// agrees reports whether the kernel has what the model says, and what that is.
func (s *sequences) agrees(flags []string) (result string, ok bool) {
	result, want, got := s.both(flags)
	return result, slices.Equal(want, got)
}

// both are what the model says and what the kernel has, after the same result.
func (s *sequences) both(flags []string) (result string, want, got []string) {
	want, either, wantErr := s.model(flags)
	if errors.Is(wantErr, errUnsaid) {
		return "not in the model", nil, nil
	}
	got, err := s.look(flags)
	if left := s.clean(); err != nil || wantErr != nil {
		got = append(got, left...)
	}
	switch {
	case err != nil && (either || wantErr != nil):
		return "refused", nil, nil
	case err != nil:
		return "", want, []string{err.Error()}
	case wantErr != nil:
		return "", []string{wantErr.Error()}, got
	case slices.ContainsFunc(flags, func(f string) bool { return strings.HasPrefix(f, "--protect ") }):
		// What is on the way to it is a mount too.
		want, got = withoutMounts(want), withoutMounts(got)
	}
	return "made", want, got
}

// withoutMounts leaves out where the mounts are.
func withoutMounts(lines []string) (list []string) {
	for _, l := range lines {
		if !strings.HasPrefix(l, "mount ") {
			list = append(list, strings.TrimSuffix(l, " root"))
		}
	}
	return list
}

func (s *sequences) compare(flags []string) {
	s.Helper()
	_, want, got := s.both(flags)
	if slices.Equal(want, got) {
		return
	}
	var text strings.Builder
	switch {
	case len(got) == 1:
		want = nil
	case len(want) == 1:
		got = nil
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			fmt.Fprintf(&text, "\n    got %s", line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			fmt.Fprintf(&text, "\n   want %s", line)
		}
	}
	s.Errorf("%q: %s%s", flags, strings.Join(s.command(flags).Args, " "), &text)
}

// clean makes the trees of the host again if they have changed.
func (s *sequences) clean() []string {
	trees := hostTrees()
	var left []string
	for name, n := range trees {
		if !slices.Equal(s.onHost(filepath.Join(s.dir, name), nil), n.show("/"+name, nil)) {
			s.restore(map[string]*treeNode{name: n})
		}
	}
	return left
}

// shrink leaves out flags for as long as the rest still fails.
func (s *sequences) shrink(flags []string) []string {
	for i := 1; i < len(flags); {
		less := slices.Delete(slices.Clone(flags), i, i+1)
		if _, ok := s.agrees(less); !ok {
			flags, i = less, 1
		} else {
			i++
		}
	}
	return flags
}

// random returns a kind of root and flags. Most of what cannot be done is left out, or
// little would be done.
func (s *sequences) random(r *rand.Rand) []string {
	d := drawer{Rand: r}
	if r.IntN(2) == 0 { // flags that meet
		d.few = []string{d.where(), d.where()}
	}
	flags := d.root()
	d.kind = flags[0]
	for range 3 + r.IntN(10) {
		more := append(slices.Clone(flags), d.flag(len(flags)))
		if !s.possible(more) || slices.Contains(flags, more[len(flags)]) {
			continue
		}
		if _, _, err := s.model(more); err == nil || r.IntN(40) == 0 {
			flags = more
		}
	}
	return flags
}

// A drawer draws flags.
type drawer struct {
	*rand.Rand
	kind string
	// few are what most paths begin with, if any.
	few []string
}

func (d drawer) pick(list ...string) string { return list[d.IntN(len(list))] }

// where is a path, perhaps by a link, and with is a flag with one of the options, or without.
func (d drawer) where() (p string) {
	if d.few != nil && d.IntN(4) > 0 {
		if p = d.pick(d.few...); d.IntN(2) == 0 {
			return p
		}
		return p + "/" + d.pick("a", "b", "d", "new", "f", "l", "..")
	}
	for range 1 + d.IntN(3) {
		p += "/" + d.pick("a", "b", "d", "e", "l", "abs", "up", "none", "new", "a", "d", "f", "lf", "..")
	}
	return p
}

func (d drawer) with(flag string, options ...string) string {
	if o := d.pick(append(options, "")...); o != "" {
		return flag + ":" + o
	}
	return flag
}

func (d drawer) root() []string {
	flags := []string{d.pick("", "", "--root @src", "--root-rw @src", "--ephemeral @low", "--in-place @src")}
	if (flags[0] == "" || flags[0] == "--ephemeral @low") && d.IntN(4) == 0 {
		flags = append(flags, "--root-tmpfs "+d.pick("noexec", "size=1m", "noatime,suid"))
	}
	if flags[0] != "--in-place @src" && d.IntN(4) == 0 {
		flags = append(flags, "--writable-root")
	}
	for _, f := range []string{"--create", "how root", "how chain"} {
		if d.IntN(4) == 0 {
			flags = append(flags, f)
		}
	}
	return flags
}

// flag is the nth flag.
func (d drawer) flag(n int) string {
	number := strconv.Itoa(n)
	switch d.IntN(20) {
	case 0, 1, 2:
		return d.with("--tmpfs "+d.where(), "ro", "ro", "size=64k", "mode=700", "noexec", "mode=1777,size=1m", "noatime,dev")
	case 3, 4, 5:
		return d.bind()
	case 6:
		return d.with("--dir "+d.where(), "700", "1777")
	case 7:
		return "--symlink " + d.pick("/a", "../b", "d", "/d/../l", "d/g", "new") + ":" + d.where() + d.pick("", number)
	case 8:
		return d.with("--file "+d.where()+d.pick("", number), "600") + "=" + strings.Repeat("x", n+2)
	case 9, 10, 11:
		return d.overlay()
	case 12, 13:
		return d.pick("--mask ", "--mask ", "--try-mask ") + d.where()
	case 14, 15:
		return d.with(d.pick("--read-only ", "--read-only ", "--try-read-only ")+d.where(), "norec")
	case 16:
		return "--chmod " + d.where() + ":" + d.pick("700", "444", "1755")
	case 17:
		if d.kind == "--in-place @src" { // the other one would cover the probe
			return "--rootfs @low2"
		}
		return d.pick("--rootfs @src", "--rootfs @low2")
	case 18:
		return d.pick("--proc "+d.where(), d.with("--dev "+d.where(), "ro", "exec"), "--try-ro @src/zz:"+d.where())
	}
	return d.with("--protect "+d.where(), "ro")
}

func (d drawer) bind() string {
	from := d.pick("@src", "@src", "@src/d", "@src/d/e", "@src/f", "@src/l", "@src/lf", "@src/d/l", "@src/d/l/../d", "@src/l/..", "@low")
	kind := d.pick("ro", "rw", "rw", "dev-bind", "try-ro", "try-rw")
	if from == "@low" { // a layer must not change
		kind = "ro"
	}
	return "--" + kind + " " + d.with(from+":"+d.where(), "noexec", "suid", "ro", "nosymfollow", "dev,exec")
}

func (d drawer) overlay() string {
	switch d.IntN(5) {
	case 0, 1:
		return d.with("--tmp-overlay "+d.pick("@low", "@low2")+":"+d.where(), "size=1m", "noexec")
	case 2:
		return "--tmp-overlay " + d.where() + ":lower=" + d.pick("@low:@low2", "@low2:@low")
	case 3: // an upper directory is for one overlay only, and the model refuses a second one
		return "--overlay " + d.where() + ":lower=" + d.pick("@low", "@low:@low2") + ",upper=@up,work=@work"
	}
	return "--ro-overlay " + d.where() + ":lower=" + d.pick("@low:@low2", "@low2:@low")
}
