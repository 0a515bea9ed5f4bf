package landlock

import (
	"slices"
	"strings"
	"testing"

	"hk/pkg/access"
)

func TestParseRules(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"# comment\n\n  --ro /usr,/etc\n--rx=/bin\n--restrict fs\n--tcp-bind 80\n", "--ro=/usr --ro=/etc --rx=/bin --tcp-bind=80 --restrict=fs"},
		{`--ro /a b\,c`, `--ro=/a b\,c`},
		{`--allow /a\:b:read_file`, `--allow=/a\:b:read_file`},
		{`--ro /a\x0ab`, "--ro=/a\nb"},
		{`--ro /a\\x41`, `--ro=/a\\x41`},
		{`--ro /a\x2cb`, `--ro=/a\,b`},
		{`--ignore-missing`, `--ignore-missing`},
		{`--no-symlinks`, `--no-symlinks`},
		{`--ro /x\x0`, `line 1: "/x\\x0": two hexadecimal digits come after \x`},
		{"--ro /x\nro /x", `line 2: "ro" is not a flag`},
		{"--ro /x\n--nosuch /x", `line 2: unknown flag --nosuch`},
		{"--ro", `line 1: --ro needs a value`},
		{"--rules /x", `line 1: unknown flag --rules`},
		{"--learn /x", `line 1: unknown flag --learn`},
		{"--support", `line 1: unknown flag --support`},
		{"--", `line 1: "--" is not a flag`},
		{"--ro /x\x00", `line 1: a null byte`},
		{"--allow /x:red", `line 1: --allow=/x:red: unknown right "red"`},
	} {
		var r Ruleset
		got := ""
		if err := r.parseRules(c.text); err != nil {
			got = err.Error()
		} else {
			got = strings.Join(r.Args(), " ")
		}
		if got != c.want {
			t.Errorf("parseRules(%q) = %s; want %s", c.text, got, c.want)
		}
	}
}

// FuzzRules prints what was parsed as lines, and parses these.
func FuzzRules(f *testing.F) {
	f.Add("--ro /usr,/etc\n--allow /a\\:b:read_file\n--tcp-bind 80,81\n--restrict fs,tcp-connect\n--scope signal\n--abi 3\n")
	f.Add("--ro /a\\x0a\\x2c\\\\x41\n--rwx \xff\u202e\n--exec-closure sh\n")
	f.Fuzz(func(t *testing.T, text string) {
		var r, again Ruleset
		if r.parseRules(text) != nil {
			return
		}
		var lines []string
		for _, a := range r.Args() {
			lines = append(lines, escape(a))
		}
		if err := again.parseRules(strings.Join(lines, "\n")); err != nil || !slices.Equal(r.Args(), again.Args()) {
			t.Errorf("%q: %q: %v, %q", text, r.Args(), err, again.Args())
		}
	})
}

// TestLearned checks the text of the rules, and what becomes of it when it is added to.
func TestLearned(t *testing.T) {
	rec := func() *access.Record {
		return &access.Record{
			Files: map[string]access.Use{
				"/usr/bin/x": {Rights: execute | readFile}, "/etc/a\nb": {Rights: readFile}, "/data": {Rights: read &^ readFile, Dir: true},
				"/": {Rights: makeReg, Dir: true}, "/root/.netrc": {Rights: readFile}, "/srv": {Rights: uint64(classes[2].access), Dir: true},
			},
			BindTCP: []uint16{80}, Signals: true, Unseen: []string{"io\x1b"}, List: func(string) []string { return []string{"z"} },
		}
	}
	const want = head + `
# incomplete: io\x1b
# withheld, as it would be for everything below: --allow /:make_reg
--restrict fs
--no-symlinks
--tcp-bind 80
--restrict tcp-connect
--scope abstract-unix-socket
# also grants: z
--allow /data:read_dir
--ro /etc/a\x0ab
# a key or password:
--ro /root/.netrc
# also grants: z
--rw /srv
--rx /usr/bin/x
`
	got := string(NewLearned(rec(), 7, access.Places{}).Text())
	if got != want {
		t.Errorf("Text() =\n%s\nwant\n%s", got, want)
	}
	old, err := parseLearned([]byte(got))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(old.notes, []string{`io\x1b`}) || len(old.withheld) != 1 || len(old.Rules) != 5 {
		t.Errorf("parseLearned() = %+v", old)
	}
	if got := string(NewLearned(rec(), 3, access.Places{}).Text()); strings.Contains(got, "tcp") || strings.Contains(got, "scope") || !strings.Contains(got, "\n--abi 3\n") {
		t.Errorf("Text() for ABI 3 =\n%s", got)
	}
	for _, text := range []string{"--ro /\n", head + "\n--best-effort\n", head + "\n--restrict all\n", head + "\n--ro\n"} {
		if _, err := parseLearned([]byte(text)); err == nil {
			t.Errorf("parseLearned(%q) = no error", text)
		}
	}
}
