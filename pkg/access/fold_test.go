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
		{"which grants nothing below", []string{"d /", "d /usr/bin/"}, nil, nil, []string{"withheld d /", "d /usr/bin/"}},
		{"a file is not withheld", []string{"r /root/.ssh/id"}, nil, nil, []string{"secret r /root/.ssh/id"}},
		{"but kept if it was granted", []string{"dm /"}, nil, []string{"d /"}, []string{"withheld m /", "d / [other]"}},
		{"what was granted remains", []string{"r /usr/a"}, nil, []string{"w /usr/b", "w /usr/a"}, []string{"rw /usr/a", "w /usr/b"}},
		{"a move gains no right", []string{"muf /usr/a/", "mrf /usr/b/"}, []Move{{"/usr/a", "/usr/b", false}}, nil, []string{"rmuf /usr/a/", "rmf /usr/b/"}},
		{"nor one of a directory", []string{"muf /usr/a/", "dmf /usr/b/"}, []Move{{"/usr/a", "/usr/b", true}}, nil, []string{"dmuf /usr/a/", "dmf /usr/b/"}},
		{"over several directories", []string{"f /usr/a/", "f /usr/b/", "rf /usr/c/"}, []Move{{"/usr/a", "/usr/b", false}, {"/usr/b", "/usr/c", false}}, nil, []string{"rf /usr/a/", "rf /usr/b/", "rf /usr/c/"}},
	} {
		rec := Record{Files: files(c.used), Moves: c.moves, List: func(string) []string { return []string{"other"} }}
		got := printRules(rec.Rules(Places{Homes: []string{"/srv/me"}}, files(c.more)))
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: Rules(%q) =\n%s\nwant\n%s", c.name, c.used, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

// TestRecorded checks what becomes of the rights on names that did not exist before.
func TestRecorded(t *testing.T) {
	var r Recorder
	r.use("/w/old", readFile)
	r.use("/w/config", readFile)
	r.create("/w/new")
	r.use("/w", makeReg)
	r.use("/w/new", writeFile)
	r.create("/w/dir")
	r.use("/w/dir/sub/file", truncate)
	r.create("/w/dir/sub")
	r.create("/w/config") // replaced
	r.create("/w/gone")
	r.removed("/w/gone")
	r.use("/w/gone", execute)
	got := map[string]string{}
	for name, rights := range r.files {
		got[name] = lettersOf(rights)
	}
	want := map[string]string{"/w/old": "r", "/w": "rwmt", "/w/gone": "x"}
	if !maps.Equal(got, want) {
		t.Errorf("files = %v; want %v", got, want)
	}
	r.move("/w/dir", "/w", false)
	r.move("/w", "/v", false)
	if len(r.moves) != 1 || !r.moves[move{"/w", "/v", false}] || r.files["/v"] != refer {
		t.Errorf("moves = %v, files[/v] = %x", r.moves, r.files["/v"])
	}
}

// TestNames checks that a payload cannot have any amount of memory used.
func TestNames(t *testing.T) {
	var r Recorder
	for i := range 2 * maxPaths {
		r.use(fmt.Sprintf("/%d", i), readFile)
		r.create(fmt.Sprintf("/c%d", i))
		r.note(fmt.Sprint(i))
	}
	if len(r.files) != maxPaths || len(r.created) != maxPaths || len(r.unseen) != maxUnseen+1 {
		t.Errorf("%d files, %d created, %d notes", len(r.files), len(r.created), len(r.unseen))
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
