package vis

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// FuzzWord checks that sh(1) reads the word, in both forms, that a terminal would show all of
// it, and that of [Line] no line begins with what is in the word.
func FuzzWord(f *testing.F) {
	for _, w := range []string{"", "plain", "it's", "two words", "a\nb\n\n", "\x1b[2K\x1b[1Ahidden", "-\x1b", "%\x01'\\047$(id)`id`\"", "\xff\u202e\u009b", "\x1b\n\n", "ä日本", "\t"} {
		f.Add(w)
	}
	f.Fuzz(func(t *testing.T, w string) {
		if strings.Contains(w, "\x00") || len(w) > 10000 {
			t.Skip("no argument of a program")
		}
		for _, word := range []string{Word(w), Line(w)} {
			for _, r := range word {
				if r != '\n' && r != '\t' && !strconv.IsPrint(r) {
					t.Errorf("%q is written with %q", w, r)
				}
			}
			out, err := exec.Command("sh", "-c", `printf %s. "$1"`+word, "sh", "<").Output()
			if err != nil || string(out) != "<"+w+"." {
				t.Errorf("sh reads %q, written %s, as %q, %v", w, word, out, err)
			}
		}
		for _, l := range strings.Split(Line(w), "\n")[1:] {
			if strings.Trim(l, "'") != "" {
				t.Errorf("Line(%q) has the line %q", w, l)
			}
		}
	})
}
