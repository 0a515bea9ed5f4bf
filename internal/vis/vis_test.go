package vis

import (
	"encoding/json"
	"strconv"
	"testing"
)

func TestText(t *testing.T) {
	for text, want := range map[string]string{
		"/bin/x y\\": "/bin/x y\\", "ä\"": "ä\"", "/bin/sh\r": `/bin/sh\r`, "\x1b]0;x\a\n": `\x1b]0;x\a\n`,
		"\xff\u202e\u009b\x7f": `\xff\u202e\u009b\x7f`, "日本": "日本",
	} {
		if got := Text(text); got != want {
			t.Errorf("Text(%q) = %s; want %s", text, got, want)
		}
	}
}

// FuzzText checks that nothing remains that a terminal would interpret, and that JSON
// means the same.
func FuzzText(f *testing.F) {
	f.Add("\x1b]0;x\a\n\xff\u202e\u009b\U000e0041ä")
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range Text(text) {
			if !strconv.IsPrint(r) {
				t.Errorf("Text(%q) has %q", text, r)
			}
		}
		b, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		out := JSON(b)
		for _, r := range string(out) {
			if !strconv.IsPrint(r) {
				t.Errorf("JSON(%q) has %q", b, r)
			}
		}
		var before, after string
		if json.Unmarshal(b, &before) != nil || json.Unmarshal(out, &after) != nil || before != after {
			t.Errorf("%s and %s differ", b, out)
		}
	})
}
