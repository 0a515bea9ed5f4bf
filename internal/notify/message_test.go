package notify

import (
	"bytes"
	"strings"
	"testing"
)

func TestPassed(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"READY=1", "READY=1"},
		{"READY=1\nSTATUS=up\n", "READY=1\nSTATUS=up"},
		{"READY=1\x00", "READY=1"},
		{"BARRIER=1", "BARRIER=1"},
		{"FDSTORE=1\nFDNAME=MAINPID=", "FDSTORE=1\nFDNAME=MAINPID="},
		{"MAINPID=1", ""},
		{"READY=1\nMAINPID=1\nSTATUS=x", "READY=1\nSTATUS=x"},
		{"READY=1\rMAINPID=1\r\nMAINPIDFD=1\nMAINPIDFDID=9", "READY=1"},
		{"\n\nMAINPID=1\n", ""},
		{"READY=1\x00MAINPID=1", ""},
		{"", ""},
	} {
		if got := string(passed([]byte(c.text))); got != c.want {
			t.Errorf("passed(%q) = %q; want %q", c.text, got, c.want)
		}
	}
}

// FuzzParse reads any message, and looks in what is passed on for a line that names a
// main process, in systemd's way.
func FuzzParse(f *testing.F) {
	f.Add([]byte("READY=1\nMAINPID=7"), []byte{})
	f.Add([]byte("A=\xff\rMAINPIDFD=1"), []byte{16, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0})
	f.Fuzz(func(t *testing.T, text, control []byte) {
		// Descriptors of this process must not be closed.
		m := &message{text: passed(text)}
		parse(text, control)
		for _, line := range strings.FieldsFunc(string(m.text), func(c rune) bool { return c == '\n' || c == '\r' || c == 0 }) {
			if strings.HasPrefix(line, "MAINPID") && strings.Contains(line, "=") && names([]byte(line)) {
				t.Errorf("%q passes %q", text, m.text)
			}
		}
		if again := passed(m.text); !bytes.Equal(again, m.text) {
			t.Errorf("%q: %q, and then %q", text, m.text, again)
		}
	})
}
