package systemd

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{"# c\n; c\n\n[Service]\nA=b", "5 Service A b"},
		{"\uFEFF[S]\nA=b", "2 S A b"},
		{"[S]\r\n A = b c \r\n", "2 S A b c"},
		{"[S]\nA==b=", "2 S A =b="},
		{"[S]\nA=", "2 S A "},
		{"[S]\nA=b \\\n# c\n  ; c\n  d\\\n\nE=f", "2 S A b    d; 7 S E f"},
		{"[S]\nA=b\\\\\nC=d", `2 S A b\\; 3 S C d`},
		{"[S]\nA=b\\", "2 S A b"},
		{"[S]\nA=b\\\n#c", "2 S A b"},
		{"[S]\nA=#b;c", "2 S A #b;c"},
		{"[S]\n[T]\nA=b\n[S]\nA=c", "3 T A b; 5 S A c"},
		{"A=b", "x:1: A= is in no section"},
		{"[S]\n\nA\\\nb", "x:3: neither NAME=VALUE nor [SECTION]"},
		{"[S]\n=b", "x:2: neither NAME=VALUE nor [SECTION]"},
		{"[S\n", "x:1: the header of a section is [NAME]"},
		{"[]\n", "x:1: the header of a section is [NAME]"},
		{"[S]\nA=\xff", "x:2: not UTF-8 text"},
		{"[S]\nA=\x00", "x:2: not UTF-8 text"},
		{"[S]\nA=" + strings.Repeat("b", maxLine), "x:2: a line of more than a mebibyte"},
	} {
		list, err := Parse("x", c.text)
		var got []string
		for _, a := range list {
			got = append(got, fmt.Sprintf("%d %s %s %s", a.Line, a.Section, a.Name, a.Value))
		}
		text := strings.Join(got, "; ")
		if err != nil {
			text = err.Error()
		}
		if text != c.want {
			t.Errorf("Parse(%.40q) = %s; want %s", c.text, text, c.want)
		}
	}
}

// FuzzParse parses, prints, and parses again.
func FuzzParse(f *testing.F) {
	f.Add("[Service]\nExecStart=/bin/a \\\n# c\n b\nA=\n[X]\nB= c\\\\\n")
	f.Add("\uFEFF[a]\n\\\n;\\\nx=y\\\\\\\n[")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := Parse("x", text)
		if err != nil {
			return
		}
		again, err := Parse("x", Format(list))
		if err != nil {
			t.Fatalf("%q: %v", Format(list), err)
		}
		for _, l := range [][]Assignment{list, again} {
			for i := range l {
				l[i].Line = 0
			}
		}
		if !reflect.DeepEqual(list, again) {
			t.Fatalf("%+v\nbecomes\n%+v", list, again)
		}
	})
}

func TestSplitWords(t *testing.T) {
	for in, want := range map[string]string{
		`a  b`: `["a" "b"]`, `"a b" c`: `["a b" "c"]`, `'a "b' ""`: `["a \"b" ""]`, `a"b c"d`: `["ab cd"]`, `a\ b`: `["a\\ b"]`,
		`\x41\101\u00e4\U0001F600\s\t`: `["AAä😀 \t"]`, `\q\x4 \`: `["\\q\\x4" "\\"]`, ``: `[]`, `"a`: "a quote that does not end", `\0000`: `["\\0000"]`,
	} {
		words, err := splitWords(in)
		got := fmt.Sprintf("%q", words)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("splitWords(%s) = %s; want %s", in, got, want)
		}
	}
}

// FuzzSplitWords quotes words and splits them again.
func FuzzSplitWords(f *testing.F) {
	f.Add(`a "b c" 'd' \x41`)
	f.Fuzz(func(t *testing.T, text string) {
		words, err := splitWords(text)
		if err != nil {
			return
		}
		var quoted []string
		for _, w := range words {
			quoted = append(quoted, `"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(w)+`"`)
		}
		again, err := splitWords(strings.Join(quoted, "\t"))
		if err != nil || !reflect.DeepEqual(words, again) {
			t.Fatalf("%q become %q, %v", words, again, err)
		}
	})
}

func TestParseSize(t *testing.T) {
	for in, want := range map[string]uint64{
		"0": 0, "10": 10, "1K": 1024, "1.5M": 3 << 19, "2G": 2 << 30, "512MB": 512 << 20, "infinity": infinity, "7E": 7 << 60, "16 M": 16 << 20,
	} {
		if got, err := parseSize(in); got != want || err != nil {
			t.Errorf("parseSize(%s) = %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "x", "-1", "1KM", "1k", "8E", "1..2", "0x10", "nan", "inf", "1e5", "18446744073709551616"} {
		if got, err := parseSize(in); err == nil {
			t.Errorf("parseSize(%s) = %d; want an error", in, got)
		}
	}
}

func TestParseTime(t *testing.T) {
	for in, want := range map[string]uint64{
		"5": 5e6, "1min 30s": 90e6, "1min30s": 90e6, "2h": 7200e6, "300ms": 3e5, "1.5s": 15e5, "10us": 10, "infinity": infinity, "1d 2": 86402e6, "1 min": 60e6,
	} {
		if got, err := parseTime(in, 1e6); got != want || err != nil {
			t.Errorf("parseTime(%s) = %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "x", "-1", "5x", "1e3", "9999999999999y", "min"} {
		if got, err := parseTime(in, 1e6); err == nil {
			t.Errorf("parseTime(%s) = %d; want an error", in, got)
		}
	}
}
