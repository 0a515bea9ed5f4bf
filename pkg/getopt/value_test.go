package getopt

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// shown joins fields such that each can be seen.
func shown(fields []Value) string {
	words := make([]string, len(fields))
	for i, f := range fields {
		words[i] = string(f)
	}
	return strings.Join(words, "|")
}

func TestValue(t *testing.T) {
	for _, c := range []struct{ v, colons, two, commas, text string }{
		{"", "", "", "", ""},
		{"/a", "/a", "/a", "/a", "/a"},
		{"/a:/b:ro,x=1:2", "/a|/b|ro,x=1|2", "/a|/b:ro,x=1:2", "/a:/b:ro|x=1:2", "/a:/b:ro,x=1:2"},
		{":,:", "|,|", "|,:", ":|:", ":,:"},
		{`/a\:b:/c`, `/a\:b|/c`, `/a\:b|/c`, `/a\:b:/c`, "/a:b:/c"},
		{`/a\\:b`, `/a\\|b`, `/a\\|b`, `/a\\:b`, `/a\:b`},
		{`/a\\\:b`, `/a\\\:b`, `/a\\\:b`, `/a\\\:b`, `/a\:b`},
		{`a\,b,c\=d`, `a\,b,c\=d`, `a\,b,c\=d`, `a\,b|c\=d`, "a,b,c=d"},
		{`C:\x\`, `C|\x\`, `C|\x\`, `C:\x\`, `C:\x\`},
		{`\\,\n\`, `\\,\n\`, `\\,\n\`, `\\|\n\`, `\,\n\`},
	} {
		v := Value(c.v)
		for _, got := range []struct{ call, got, want string }{
			{"Split(':')", shown(v.Split(':')), c.colons},
			{"Fields(2)", shown(v.Fields(2)), c.two},
			{"Split(',')", shown(v.Split(',')), c.commas},
			{"Text()", v.Text(), c.text},
		} {
			if got.got != got.want {
				t.Errorf("Value(%q).%s = %s; want %s", c.v, got.call, got.got, got.want)
			}
		}
	}
}

func TestEscape(t *testing.T) {
	for _, c := range []struct{ text, separators, want string }{
		{"/a b", ":", "/a b"},
		{"/a:b,c=d", ":", `/a\:b,c=d`},
		{"/a:b,c=d", ",:", `/a\:b\,c=d`},
		{"/a:b,c=d", "=", `/a:b,c\=d`},
		{`\x\`, "", `\\x\\`},
	} {
		if got := string(Escape(c.text, c.separators)); got != c.want {
			t.Errorf("Escape(%q, %q) = %s; want %s", c.text, c.separators, got, c.want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		v       string
		fd, pid int // -1 is an error
	}{
		{"0", 0, -1}, {"7", 7, 7}, {"2147483647", 1<<31 - 1, 1<<31 - 1}, {"2147483648", -1, -1},
		{"", -1, -1}, {"-1", -1, -1}, {"+1", -1, -1}, {"0x1", -1, -1}, {" 1", -1, -1},
	} {
		if fd, err := ParseFD(c.v); err != nil && c.fd >= 0 || err == nil && fd != c.fd {
			t.Errorf("ParseFD(%q) = %d, %v; want %d", c.v, fd, err, c.fd)
		}
		if pid, err := ParsePID(c.v); err != nil && c.pid >= 0 || err == nil && pid != c.pid {
			t.Errorf("ParsePID(%q) = %d, %v; want %d", c.v, pid, err, c.pid)
		}
	}
}

// FuzzValue checks that fields are the whole value, that none can be cut again,
// and that what is printed is read as it was.
func TestParseTime(t *testing.T) {
	for v, want := range map[string]time.Duration{
		"90": 90 * time.Second, "1.5": 1500 * time.Millisecond, "100ms": 100 * time.Millisecond, "1m30s": 90 * time.Second, "0": 0,
	} {
		if got, err := ParseTime(v); err != nil || got != want {
			t.Errorf("ParseTime(%q) = %v, %v; want %v", v, got, err, want)
		}
	}
	for v, want := range map[string]string{
		"": "1m30s", ".": "1m30s", "x": "1m30s", "-1": "1m30s", "-1s": "1m30s", "+1s": "1m30s", "2d": "1m30s: write 48h", "1e3": "1m30s", "99999999999h": "1m30s",
	} {
		if got, err := ParseTime(v); err == nil || got != 0 || err.Error() != fmt.Sprintf("%q is not a time such as 90, 1.5, 100ms or ", v)+want {
			t.Errorf("ParseTime(%q) = %v, %v; want the error that ends with %s", v, got, err, want)
		}
	}
}

func FuzzValue(f *testing.F) {
	for _, v := range []string{"", "/a:/b:ro,x=1", `/a\:b\\:c\,d\`, `\\\\:\x`, "lower=a:b,upper=c"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v := Value(text)
		for _, separator := range []byte(":,=") {
			fields := v.Split(separator)
			var again []Value
			for _, field := range fields {
				if len(field.Split(separator)) != 1 {
					t.Errorf("Value(%q).Split(%q) has %q, which can be cut again", v, separator, field)
				}
				again = append(again, Escape(field.Text(), string(separator)))
			}
			if got := strings.ReplaceAll(shown(fields), "|", string(separator)); got != strings.ReplaceAll(text, "|", string(separator)) {
				t.Errorf("Value(%q).Split(%q) = %q; want all of it", v, separator, fields)
			}
			var words, back []string
			for i := range fields {
				words, back = append(words, fields[i].Text()), append(back, again[i].Text())
			}
			if !slices.Equal(words, back) {
				t.Errorf("the fields of %q are %q, and printed and read again %q", v, words, back)
			}
		}
		if fields := v.Fields(3); strings.Join(strings.Split(shown(fields), "|"), ":") != strings.ReplaceAll(text, "|", ":") || len(fields) > 3 {
			t.Errorf("Value(%q).Fields(3) = %q; want all of it, in three at most", v, fields)
		}
		if got := Escape(text, special).Text(); got != text {
			t.Errorf("Escape(%q) means %q", text, got)
		}
		if fields := Escape(text, special).Split(':'); len(fields) != 1 {
			t.Errorf("Escape(%q) is cut into %q", text, fields)
		}
		if words := List(text); !slices.Equal(words, List(JoinList(words))) {
			t.Errorf("List(%q) = %q, which is printed as %q", text, words, JoinList(words))
		}
	})
}

func TestOneOf(t *testing.T) {
	at := "before"
	set := OneOf(&at, "a", "b", "c")
	for _, v := range []string{"", "d", "A", "a,b"} {
		if err := set(v); err == nil || err.Error() != "not a, b or c" || at != "before" {
			t.Errorf("OneOf(a, b, c)(%q) = %v, sets %q; want an error and nothing", v, err, at)
		}
	}
	if err := set("c"); err != nil || at != "c" {
		t.Errorf("OneOf(a, b, c)(c) = %v, sets %q; want c", err, at)
	}
}
