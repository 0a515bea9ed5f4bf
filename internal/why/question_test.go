package why

import (
	"slices"
	"strings"
	"testing"
)

func TestParseQuestions(t *testing.T) {
	for _, c := range []struct{ list, want, err string }{
		{"read:/a,write:/b", "read:/a|write:/b", ""},
		{`read:/a\,b\\c`, `read:/a,b\c`, ""},
		{"call:personality(arg0==0,arg1==1),bind:80", "call:personality(arg0==0,arg1==1)|bind:80", ""},
		{"cap:net_admin,cap:CAP_SYS_ADMIN", "cap:net_admin|cap:CAP_SYS_ADMIN", ""},
		{"connect:0", "connect:0", ""},
		{"", "", "not KIND:WHAT"},
		{"read:/a,", "", "not KIND:WHAT"},
		{"reads:/a", "", "not KIND:WHAT"},
		{"read:a", "", "not an absolute path"},
		{"read:", "", "not an absolute path"},
		{"read:/a\x00", "", "null byte"},
		{"bind:65536", "", "not a port"},
		{"bind:http", "", "not a port"},
		{"call:", "", "call"},
		{"call:nosuchcall", "", "nosuchcall"},
		{"call:@clock", "", "not one system call"},
		{"call:kill(arg0!=0)", "", "given once, as argN==VALUE"},
		{"call:kill(arg0==0,arg0==1)", "", "given once, as argN==VALUE"},
		{"call:kill(arg6==0)", "", "arg6"},
		{"call:kill(arg0==0", "", "no )"},
		{"cap:nosuch", "", "not a capability"},
	} {
		list, err := parseQuestions(c.list)
		var got []string
		for _, q := range list {
			got = append(got, q.text)
		}
		if text := strings.Join(got, "|"); text != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%q: %q, %v; want %q, %q", c.list, text, err, c.want, c.err)
		}
	}
}

func TestArguments(t *testing.T) {
	list, err := parseQuestions("call:personality(arg0==8)")
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	if c := list[0].call; c.Args[0] != 8 || c.Known != 1 || selection(list[0].name, c) != "personality(arg0==8)" {
		t.Errorf("%+v", list[0])
	}
}

// FuzzParseQuestions: what is parsed has the kind and the text that it was asked with.
func FuzzParseQuestions(f *testing.F) {
	for _, s := range []string{`read:/a\,b,call:kill(arg0==0,arg1==1)`, "cap:chown,bind:1", "call:(", ",", `\`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		list, err := parseQuestions(s)
		if err != nil {
			return
		}
		for _, q := range list {
			if kind, _, ok := strings.Cut(q.text, ":"); !ok || kind != q.kind || !slices.Contains(kinds, kind) {
				t.Errorf("%q: %+v", s, q)
			}
		}
	})
}
