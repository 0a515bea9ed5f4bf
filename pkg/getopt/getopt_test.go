package getopt

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// taken is what a command line comes to: each flag and value in order.
type taken []string

func (t *taken) flags() *Flags {
	note := func(name string) func(string) error {
		return func(v string) error {
			if v == "bad" {
				return errors.New("not good")
			}
			*t = append(*t, name+" "+v)
			return nil
		}
	}
	f := &Flags{Foreign: func(name string) string { return map[string]string{"src": "--source FILE"}[name] }}
	f.String("source", "s", note("source"))
	f.String("so", "", note("so"))
	f.Optional("proc", "everywhere", note("proc"))
	f.Bool("quiet", "q", new(bool))
	f.BoolFunc("user", "U", func(on bool) error {
		*t = append(*t, fmt.Sprint("user ", on))
		return nil
	})
	return f
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ line, taken, rest, err string }{
		{"", "", "", ""},
		{"cmd --so x", "", "cmd --so x", ""},
		{"--source a cmd --source b", "source a", "cmd --source b", ""},
		{"--source=a --source b -- --so", "source a|source b", "--so", ""},
		{"--source= -s= cmd", "source |source ", "cmd", ""},
		{"--source=a=b", "source a=b", "", ""},
		{"--source -- x", "source --", "x", ""},
		{"--source --so x", "source --so", "x", ""},
		{"-sa -s b -s=c -", "source a|source b|source c", "-", ""},
		{"-Us a -Usb cmd", "user true|source a|user true|source b", "cmd", ""},
		{"-U=false -qU", "user false|user true", "", ""},
		{"--proc x", "proc everywhere", "x", ""},
		{"--proc=x --proc=", "proc x|proc ", "", ""},
		{"--user --user=false --user=1", "user true|user false|user true", "", ""},
		{"--quiet cmd", "", "cmd", ""},

		{"--sour a", "", "", "unknown flag --sour: did you mean --source?"},
		{"--sourcex=a", "", "", "unknown flag --sourcex: did you mean --source?"},
		{"--quite", "", "", "unknown flag --quite: did you mean --quiet?"},
		{"--sources-of-x", "", "", "unknown flag --sources-of-x"},
		{"--si", "", "", "unknown flag --si"},
		{"-Uxq", "user true", "", "unknown flag -xq"},
		{"--src=a", "", "", "unknown flag --src: here it is --source FILE"},
		{"--=a", "", "", "unknown flag --"},
		{"---", "", "", "unknown flag ---"},
		{"-source a", "source ource", "a", ""},
		{"-Ux", "user true", "", "unknown flag -x"},
		{"-é", "", "", "unknown flag -é"},
		{"-=", "", "", "unknown flag -="},
		{"--no\x1b[2J", "", "", `unknown flag --no\x1b[2J`},
		{"--source", "", "", "--source needs a value"},
		{"-Us", "user true", "", "-s needs a value"},
		{"--source bad", "", "", "--source=bad: not good"},
		{"-s bad", "", "", "-s=bad: not good"},
		{"--quiet=bad", "", "", "--quiet=bad: neither true nor false"},
		{"-U=", "", "", "-U=: neither true nor false"},
		{"--quiet=a\tb", "", "", `--quiet=a\tb: neither true nor false`},
	} {
		var got taken
		rest, err := got.flags().Parse(strings.FieldsFunc(c.line, func(r rune) bool { return r == ' ' }))
		text := ""
		if err != nil {
			text = err.Error()
		}
		if strings.Join(got, "|") != c.taken || strings.Join(rest, " ") != c.rest || text != c.err {
			t.Errorf("Parse(%q) = %q, error %q, took %q; want %q, %q, %q", c.line, rest, text, got, c.rest, c.err, c.taken)
		}
	}
}

func TestBool(t *testing.T) {
	on := false
	var f Flags
	f.Bool("quiet", "q", &on)
	for _, c := range []struct {
		word string
		want bool
	}{{"--quiet", true}, {"--quiet=false", false}, {"-q", true}, {"-q=0", false}, {"--quiet=true", true}} {
		if _, err := f.Parse([]string{c.word}); err != nil || on != c.want {
			t.Errorf("Parse(%s) sets %t, %v; want %t", c.word, on, err, c.want)
		}
	}
}

// FuzzParse checks that what is taken from a command line, printed in the one
// way that each flag has always, is taken again, and that nothing gets lost.
func FuzzParse(f *testing.F) {
	for _, line := range []string{"-Us a cmd x", "--proc --source=b -- -x", "-s=--so --user=false -", "--so\n"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words := strings.Split(line, " ")
		var got taken
		rest, err := got.flags().Parse(words)
		if err != nil {
			if rest != nil || strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }) {
				t.Errorf("Parse(%q) = %q, %q; want an error of one line and no words", words, rest, err)
			}
			return
		}
		if !slices.Equal(rest, words[len(words)-len(rest):]) {
			t.Fatalf("Parse(%q) = %q; want the last words", words, rest)
		}
		var printed []string
		for _, g := range got {
			name, v, _ := strings.Cut(g, " ")
			printed = append(printed, "--"+name+"="+v)
		}
		var again taken
		left, err := again.flags().Parse(append(append(printed, "--"), rest...))
		if err != nil || !slices.Equal(left, rest) || !slices.Equal(again, got) {
			t.Fatalf("Parse(%q) = %q, %v, took %q; want %q and %q, as of %q", printed, left, err, again, rest, got, words)
		}
	})
}
