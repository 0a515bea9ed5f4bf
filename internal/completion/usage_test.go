package completion

import (
	"strings"
	"testing"

	"hk/pkg/getopt"
)

const sample = `prog [flags]: --not a flag of the program

 -a, --alpha          the first one
 --dir DIR, --other DIR[:rw]  two directories
 --word auto  --words a|bc|FILE   --fd FILE|-|fd:N
 --list PATH,...  read   --two X:SRC
 --sizes in bytes, or more
 --opt[=yes|no]       perhaps.
 --share NS,... not for all --alpha
 --try, --retry SRC...   the same (--retry)
 --io DEV:r=N,w=N
`

func TestModel(t *testing.T) {
	var fs getopt.Flags
	var on bool
	fs.Bool("alpha", "a", &on)
	fs.Optional("opt", "yes", nil)
	for _, name := range []string{"dir", "other", "word", "words", "fd", "list", "two", "sizes", "share", "try", "retry", "io", "none"} {
		fs.String(name, "", nil)
	}
	want := map[string]string{
		"alpha": "|the first one", "dir": "d|two directories", "other": "d:- rw|two directories", "word": "- auto|",
		"words": "f a bc|", "fd": "f fd:|", "list": "lf|read", "two": "-:f|", "sizes": "|in bytes, or more", "opt": "- yes no|perhaps",
		"share": "l user mount pid net ipc uts cgroup time|not for all --alpha", "try": "f|the same (--retry)",
		"retry": "f|the same (--retry)", "io": "-:l r= w=|", "none": "|",
	}
	m := modelOf(Program{Name: "prog", Usage: sample, Flags: &fs})
	if len(m.flags) != len(want) {
		t.Errorf("%d flags; want %d", len(m.flags), len(want))
	}
	for _, f := range m.flags {
		if got := f.value.spec() + "|" + f.about; got != want[f.Name] {
			t.Errorf("--%s is %q; want %q", f.Name, got, want[f.Name])
		}
	}
}

// TestQuotes has a text that is special to every shell.
func TestQuotes(t *testing.T) {
	f := flag{Flag: getopt.Flag{Name: "x"}, about: `it's [a] \:"$x" (b)`}
	for got, want := range map[string]string{
		quoted(f.about):                      `'it'\''s [a] \:"$x" (b)'`,
		fishQuoted(f.about):                  `'it\'s [a] \\:"$x" (b)'`,
		elvishQuoted(f.about):                `'it''s [a] \:"$x" (b)'`,
		strings.Join(zshSpecs(f), ""):        `*--x[it's \[a\] \\\:"$x" (b)]`,
		fishFlag("hk-p", flag{Flag: f.Flag}): `complete -c hk-p -n 'not __hk_walk' -l x`,
	} {
		if got != want {
			t.Errorf("%s; want %s", got, want)
		}
	}
}
