package chain

import (
	"strings"
	"testing"
)

// TestValues parses flags with separators in their words, and prints them. What is
// printed has the necessary backslashes.
func TestValues(t *testing.T) {
	find := &Finder{Fuse: true}
	for _, c := range []struct{ stage, flag, want, err string }{
		{"hk-mount", `--ro=/a\:b,c\,d:/e`, `--ro=/a\:b,c,d:/e`, ""},
		{"hk-mount", `--ro=/a\\:/b\c`, `--ro=/a\\:/b\\c`, ""},
		{"hk-mount", `--ro=/a::noexec,idmap=u:0:1:2 g:0:3:4`, `--ro=/a::noexec,idmap=u:0:1:2 g:0:3:4`, ""},
		{"hk-mount", `--ro=/a:/b:/c:/d`, "", `--ro=/a:/b:/c:/d: a bind is SRC[:DST[:OPTS]]`},
		{"hk-mount", `--tmpfs=/a:mpol=bind:0-3,size=1`, `--tmpfs=/a:mpol=bind:0-3,size=1`, ""},
		{"hk-mount", `--tmpfs=/a:mpol=bind\:0\,2,size=1`, `--tmpfs=/a:mpol=bind\:0\,2,size=1`, ""},
		{"hk-mount", `--overlay=/a\:b:lower=/c\:d:/e\,f,upper=/g,work=/h`, `--overlay=/a\:b:lower=/c\:d:/e\,f,upper=/g,work=/h`, ""},
		{"hk-mount", `--fs=a:b\:c:/d:x=e:f`, `--fs=a:b\:c:/d:x=e:f`, ""},
		{"hk-mount", `--fs=a\:b:c:/d`, "", `--fs=a\:b:c:/d: a file system is TYPE:SRC:DST[:OPTS]`},
		{"hk-mount", `--file=/a\=b\:c=d\=e=f`, `--file=/a\=b\:c=d\=e=f`, ""},
		{"hk-mount", `--file=/a\:b:0600:1:2=c:d`, `--file=/a\:b:0600:1:2=c:d`, ""},
		{"hk-mount", `--file-from=/a:600=b\=c`, `--file-from=/a:600=b\=c`, ""},
		{"hk-mount", `--dir=/a\:b:0700:1:2`, `--dir=/a\:b:0700:1:2`, ""},
		{"hk-mount", `--dir=/a:b`, "", `--dir=/a:b: "b" is not an octal mode`},
		{"hk-mount", `--chmod=/a\:b:1777`, `--chmod=/a\:b:1777`, ""},
		{"hk-mount", `--chmod=0700`, "", `--chmod=0700: "0700" is not an absolute path`},
		{"hk-mount", `--symlink=a\:b:/c\:d`, `--symlink=a\:b:/c\:d`, ""},
		{"hk-landlock", `--ro=/a\,b\:c`, `--ro=/a\,b:c`, ""},
		{"hk-landlock", `--allow=/a\:b\,c:read-file`, `--allow=/a\:b\,c:read_file`, ""},
		{"hk-landlock", `--allow=/a:b:read-file`, "", `--allow=/a:b:read-file: "/a:b:read-file" is not PATH:RIGHT+RIGHT`},
		{"hk-net", `--pasta=-t,22\,80,-a=b`, `--pasta=-t,22\,80,-a=b`, ""},
		{"hk-net", `--forward=[::1]:80:/a\:b`, `--forward=[::1]:80:/a\:b`, ""},
		{"hk-net", `--forward=80:/a:b`, "", `--forward=80:/a:b: "80" is not an IP address: 127.0.0.1 or [::1]`},
		{"hk-net", `--expose=127.0.0.1:80:a`, `--expose=80:a`, ""},
		{"hk-setuser", `--user=DOM\user:staff:a,b`, `--user=DOM\\user:staff:a,b`, ""},
		{"hk-setuser", `--user=a\:b`, "", `--user=a\:b: "a:b" is not a name`},
		{"hk-unshare", `--join=user,mnt=7`, `--join=user,mount=7`, ""},
		{"hk-unshare", `--join=net=/a\=b:c`, `--join=net=/a\=b:c`, ""},
		{"hk-idmap", `--uid=1:2:3`, `--uid=1:2:3`, ""},
		{"hk-idmap", `--uid=1:2:3:4`, "", `--uid=1:2:3:4: a range is INSIDE[:OUTSIDE[:COUNT]]`},
		{"hk-limit", `--as=1:2`, `--as=1:2`, ""},
		{"hk-limit", `--as=1:2:3`, "", `--as=1:2:3: "2:3" is not a number`},
	} {
		got, text := "", ""
		chain, err := Read(ByName(c.stage), []string{c.stage, c.flag, "cmd"}, find)
		if err == nil {
			got = strings.Join(chain.Links[0].Stage.Args(), " ")
		} else {
			text = err.Error()
		}
		if got != c.want || text != c.err {
			t.Errorf("%s %s = %s, error %q; want %s, %q", c.stage, c.flag, got, text, c.want, c.err)
		}
	}
}
