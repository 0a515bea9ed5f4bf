package access

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// letters are rights, for tables.
var letters = map[rune]uint64{'r': readFile, 'd': readDir, 'w': writeFile, 'x': execute, 'm': makeReg, 'u': removeFile, 'f': refer, 'i': ioctlDev, 't': truncate}

func rightsIn(word string) (rights uint64) {
	for _, c := range word {
		rights |= letters[c]
	}
	return rights
}

func lettersOf(rights uint64) string {
	var s string
	for _, c := range "rdwxmufit" {
		if rights&letters[c] != 0 {
			s += string(c)
		}
	}
	return s
}

// files parses "r /a", where a name that ends in a slash is a directory.
func files(list []string) map[string]Use {
	m := map[string]Use{}
	for _, l := range list {
		word, name, _ := strings.Cut(l, " ")
		dir := strings.HasSuffix(name, "/")
		if name != "/" {
			name = strings.TrimSuffix(name, "/")
		}
		m[name] = Use{rightsIn(word), dir}
	}
	return m
}

func printRules(rules []Rule) (list []string) {
	for _, r := range rules {
		l := lettersOf(r.Rights) + " " + r.Path
		if r.Dir && r.Path != "/" {
			l += "/"
		}
		if r.Withheld {
			l = "withheld " + l
		}
		if r.Secret {
			l = "secret " + l
		}
		if r.Also != nil {
			l += fmt.Sprint(" ", r.Also)
		}
		list = append(list, l)
	}
	return list
}

func many4(format string) (list []string) {
	for i := range Fold {
		list = append(list, fmt.Sprintf(format, i))
	}
	return list
}

func TestRules(t *testing.T) {
	for _, c := range []struct {
		name  string
		used  []string
		moves []Move
		more  []string
		want  []string
	}{
		{"three are not folded", many4("r /usr/lib/a%d")[1:], nil, nil, []string{"r /usr/lib/a1", "r /usr/lib/a2", "r /usr/lib/a3"}},
		{"four are", many4("r /usr/lib/a%d"), nil, nil, []string{"r /usr/lib/"}},
		{"each right apart", append(many4("r /usr/lib/a%d"), "w /usr/lib/b"), nil, nil, []string{"r /usr/lib/", "w /usr/lib/b"}},
		{"not for different rights", []string{"r /usr/lib/a", "r /usr/lib/b", "w /usr/lib/c", "w /usr/lib/d"}, nil, nil,
			[]string{"r /usr/lib/a", "r /usr/lib/b", "w /usr/lib/c", "w /usr/lib/d"}},
		{"execution never", many4("x /usr/bin/a%d"), nil, nil, many4("x /usr/bin/a%d")},
		{"programs do not count", many4("rx /usr/bin/a%d"), nil, nil, many4("rx /usr/bin/a%d")},
		{"devices never", many4("i /dev/pts/%d"), nil, nil, many4("i /dev/pts/%d")},
		{"up through several directories", slices.Concat(many4("r /usr/x/a/%d"), many4("r /usr/x/b/%d"), many4("r /usr/x/c/%d"), many4("r /usr/x/d/%d")), nil, nil, []string{"r /usr/x/"}},
		{"not into the root directory", many4("r /a%d"), nil, nil, many4("r /a%d")},
		{"not into one of its directories", many4("r /etc/a%d"), nil, nil, many4("r /etc/a%d")},
		{"below it, with what is there too", many4("r /etc/a/%d"), nil, nil, []string{"r /etc/a/ [other]"}},
		{"not into a home directory", many4("r /home/u/a%d"), nil, nil, many4("r /home/u/a%d")},
		{"not into that of the caller", many4("r /srv/me/a%d"), nil, nil, many4("r /srv/me/a%d")},
		{"not into what leads to secrets", many4("r /home/u/.config/a%d"), nil, nil, many4("r /home/u/.config/a%d")},
		{"below it", many4("r /home/u/.config/a/%d"), nil, nil, []string{"r /home/u/.config/a/ [other]"}},
		{"not into secrets", many4("r /home/u/.ssh/a%d"), nil, nil, many4("secret r /home/u/.ssh/a%d")},
		{"nor below them", many4("r /home/u/.aws/b/a%d"), nil, nil, many4("secret r /home/u/.aws/b/a%d")},
		{"not into a procfs", many4("r /proc/sys/a%d"), nil, nil, many4("r /proc/sys/a%d")},
		{"what a directory grants is left out", []string{"rw /usr/a/", "r /usr/a/b", "rwx /usr/a/c/d"}, nil, nil, []string{"rw /usr/a/", "x /usr/a/c/d"}},
		{"withheld", []string{"d /", "m /home/u/", "mu /root/.ssh/", "d /usr/"}, nil, nil,
			[]string{"withheld d /", "withheld m /home/u/", "withheld mu /root/.ssh/", "d /usr/ [other]"}},
		{"what leads to secrets too", []string{"m /home/u/.config/", "m /srv/x/.local/share/", "m /etc/", "m /etc/ssl/", "m /home/u/.config/a/"}, nil, nil,
			[]string{"withheld m /etc/", "withheld m /etc/ssl/", "withheld m /home/u/.config/", "withheld m /srv/x/.local/share/", "m /home/u/.config/a/ [other]"}},
		{"and what homes are in", []string{"m /srv/", "m /srv/me/", "m /home/", "m /srv/you/"}, nil, nil,
			[]string{"withheld m /home/", "withheld m /srv/", "withheld m /srv/me/", "m /srv/you/ [other]"}},
		{"not what the payload alone has made", slices.Concat(many4("r /own/a%d"), []string{"m /own/", "w /own/.ssh/"}), nil, nil, []string{"rm /own/", "secret w /own/.ssh/"}},
		{"and not a name that begins so", many4("r /owner/a%d"), nil, nil, many4("r /owner/a%d")},
		{"which grants nothing below", []string{"d /", "d /usr/bin/"}, nil, nil, []string{"withheld d /", "d /usr/bin/"}},
		{"a file is not withheld", []string{"r /root/.ssh/id"}, nil, nil, []string{"secret r /root/.ssh/id"}},
		{"but kept if it was granted", []string{"dm /"}, nil, []string{"d /"}, []string{"withheld m /", "d / [other]"}},
		{"what was granted remains", []string{"r /usr/a"}, nil, []string{"w /usr/b", "w /usr/a"}, []string{"rw /usr/a", "w /usr/b"}},
		{"a move gains no right", []string{"muf /usr/a/", "mrf /usr/b/"}, []Move{{"/usr/a", "/usr/b", false}}, nil, []string{"rmuf /usr/a/", "rmf /usr/b/"}},
		{"nor one of a directory", []string{"muf /usr/a/", "dmf /usr/b/"}, []Move{{"/usr/a", "/usr/b", true}}, nil, []string{"dmuf /usr/a/", "dmf /usr/b/"}},
		{"over several directories", []string{"f /usr/a/", "f /usr/b/", "rf /usr/c/"}, []Move{{"/usr/a", "/usr/b", false}, {"/usr/b", "/usr/c", false}}, nil, []string{"rf /usr/a/", "rf /usr/b/", "rf /usr/c/"}},
	} {
		rec := Record{Files: files(c.used), Moves: c.moves, List: func(string) []string { return []string{"other"} }}
		got := printRules(rec.Rules(Places{Homes: []string{"/srv/me"}, Own: []string{"/own"}}, files(c.more)))
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: Rules(%q) =\n%s\nwant\n%s", c.name, c.used, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

// TestRecorded checks what becomes of the rights on names that did not exist before.
func TestRecorded(t *testing.T) {
	var r Recorder
	use := func(name string, rights uint64) { r.use(object{name: name}, rights) }
	in := ref{name: "/w"}
	use("/w/old", readFile)
	use("/w/config", readFile)
	r.create("/w/new", in)
	use("/w", makeReg)
	use("/w/new", writeFile)
	r.create("/w/dir", in)
	use("/w/dir/sub/file", truncate)
	r.create("/w/dir/sub", ref{name: "/w/dir"})
	r.create("/w/config", in) // replaced
	r.create("/w/gone", in)
	r.removed(spot{dir: object{name: "/w"}, base: "gone"})
	use("/w/gone", execute)
	got := map[string]string{}
	for name, u := range r.files {
		got[name] = lettersOf(u.rights)
	}
	want := map[string]string{"/w/old": "r", "/w": "rwmt", "/w/gone": "x"}
	if !maps.Equal(got, want) {
		t.Errorf("files = %v; want %v", got, want)
	}
	r.move(object{name: "/w/dir"}, object{name: "/w"}, false)
	r.move(object{name: "/w"}, object{name: "/v"}, false)
	if len(r.moves) != 1 || !r.moves[move{"/w", "/v", false}] || r.files["/v"].rights != refer {
		t.Errorf("moves = %v, files[/v] = %x", r.moves, r.files["/v"].rights)
	}
}

// TestReplaced checks that a name has only the rights on what it leads to at last.
func TestReplaced(t *testing.T) {
	var r Recorder
	o := object{name: "/w/f"}
	r.use(o, writeFile)
	o.st.Ino = 1
	r.use(o, readFile)
	if got := lettersOf(r.files["/w/f"].rights); got != "r" || len(r.refused) != 1 {
		t.Errorf("rights = %s, refused = %q; want r, and a note", got, r.refused)
	}
}

// TestNames checks that a payload cannot have any amount of memory used.
func TestNames(t *testing.T) {
	var r Recorder
	for i := range 2 * maxPaths {
		r.use(object{name: fmt.Sprintf("/%d", i)}, readFile)
		r.create(fmt.Sprintf("/c%d", i), ref{name: "/"})
		r.removed(spot{dir: object{name: "/"}, base: fmt.Sprintf("g%d", i)})
		r.note(fmt.Sprint(i))
	}
	if len(r.files) != maxPaths || len(r.created) != maxPaths || len(r.gone) != maxPaths || len(r.unseen) != maxUnseen+1 {
		t.Errorf("%d files, %d created, %d gone, %d notes", len(r.files), len(r.created), len(r.gone), len(r.unseen))
	}
}

// TestLongNames is TestNames for a few that are as long as a name can be.
func TestLongNames(t *testing.T) {
	var r Recorder
	for i := range 2 * maxBytes / unix.PathMax {
		r.use(object{name: fmt.Sprintf("/%0*d", unix.PathMax, i)}, readFile)
	}
	if n := len(r.files); n >= maxBytes/unix.PathMax || n < maxBytes/unix.PathMax/2 || len(r.unseen) != 1 {
		t.Errorf("%d files, %q", n, r.unseen)
	}
}

// TestWindow has which operations of other threads make a descriptor doubtful.
func TestWindow(t *testing.T) {
	for _, c := range []struct {
		name string
		list []operation
		want bool
	}{
		{"none", nil, false},
		{"another number is replaced", []operation{{first: 3, last: 3, replaces: true}}, false},
		{"this one is", []operation{{first: 4, last: 4, replaces: true}}, true},
		{"closed before it was opened", []operation{{first: 4, last: 4, closes: true}}, false},
		{"filled again from what was open", []operation{{first: 1, last: 9, closes: true}, {first: 1, fills: true}}, true},
		{"too many", make([]operation, maxOperations), true},
	} {
		if got := (&window{list: c.list}).changed(4); got != c.want {
			t.Errorf("%s: changed(4) = %v; want %v", c.name, got, c.want)
		}
	}
}

// TestGoverns has which mount a name is in.
func TestGoverns(t *testing.T) {
	m := mounts{first: parseMounts("1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 0:1 / /a/b rw - tmpfs t rw\n3 2 0:2 / /a/b/c\\040d rw - tmpfs t rw\n"), info: -1}
	m.now = maps.Clone(m.first)
	m.now[4] = mountLine{1, "0:3", "/", "/a", "tmpfs"}
	m.sort()
	for _, c := range []struct {
		name string
		id   uint64
		want bool
	}{
		{"/x", 1, true}, {"/a/b", 1, false},
		{"/a/b", 2, false}, // the new mount covers it
		{"/a/x", 4, false}, // and it is new
	} {
		if got := m.governs(1, c.name, c.id); got != c.want {
			t.Errorf("governs(%s, %d) = %v; want %v", c.name, c.id, got, c.want)
		}
	}
	m.now = m.first
	m.sort()
	if !m.governs(1, "/a/b/c d/e", 3) || m.governs(1, "/a/b/c", 3) || !m.governs(1, "/a/b/cd", 2) {
		t.Error("governs, without the new mount")
	}
	m.now = maps.Clone(m.first)
	m.now[2] = mountLine{1, "0:9", "/", "/a/b", "tmpfs"}
	m.sort()
	if !m.good[1] || m.good[2] || m.good[3] {
		t.Errorf("good = %v; want none in and below what has changed", m.good)
	}
}

func TestRightsOf(t *testing.T) {
	for _, c := range []struct {
		mode         uint32
		flags, asked uint64
		want         string
	}{
		{unix.S_IFREG, unix.O_RDONLY, 0, "r"}, {unix.S_IFREG, unix.O_WRONLY, 0, "w"}, {unix.S_IFREG, unix.O_RDWR, 0, "rw"},
		{unix.S_IFDIR, unix.O_RDONLY | unix.O_DIRECTORY, 0, "d"}, {unix.S_IFREG, unix.O_WRONLY, unix.O_TRUNC, "wt"},
		{unix.S_IFCHR, unix.O_RDWR, unix.O_TRUNC, "rw"}, {unix.S_IFREG, unix.O_ACCMODE, 0, ""},
	} {
		if got := lettersOf(rightsOf(c.mode, c.flags, c.asked)); got != c.want {
			t.Errorf("rightsOf(%o, %o, %o) = %s; want %s", c.mode, c.flags, c.asked, got, c.want)
		}
	}
}
