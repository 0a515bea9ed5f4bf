package chain

import (
	"slices"
	"strings"
	"testing"

	"hk/pkg/host"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// TestRecompileIn checks as whom a command line is compiled, and with which capability.
func TestRecompileIn(t *testing.T) {
	const all = 1<<41 - 1
	const dac = 1 << unix.CAP_DAC_OVERRIDE
	for _, c := range []struct {
		name     string
		h        host.Host
		f        stage.Front
		want     []string
		wantNone string // the beginning of a word that there is not
	}{
		{"root looks at a user", host.Host{Effective: all, Permitted: all}, stage.Front{UID: 7, GID: 8, Groups: []uint32{9, 10}}, []string{"--user=7:8", "--groups=9,10", "--caps=+wake_alarm"}, ""},
		{"root looks at root", host.Host{Effective: all, Permitted: all}, stage.Front{Effective: all}, []string{"--user=0:0", "--groups=none", "--caps=+dac_read_search"}, ""},
		{"root looks at root without capabilities", host.Host{Effective: all, Permitted: all}, stage.Front{}, []string{"--user=0:0", "--caps=+wake_alarm"}, ""},
		{"with few capabilities", host.Host{Effective: 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID | 1<<unix.CAP_SETPCAP}, stage.Front{UID: 7, GID: 8, Effective: dac}, []string{"--user=7:8", "--caps=none"}, ""},
		{"a user", host.Host{UID: 7, GID: 8}, stage.Front{UID: 7, GID: 8}, []string{"--no-new-privs"}, "--caps"},
		{"another user", host.Host{UID: 7, GID: 8}, stage.Front{UID: 6, GID: 8}, nil, ""},
		{"another group", host.Host{UID: 7, GID: 8}, stage.Front{UID: 7, GID: 9}, nil, ""},
		{"no change of groups", host.Host{UID: 7, GID: 8, Effective: 1 << unix.CAP_SETUID, Permitted: 1 << unix.CAP_SETUID}, stage.Front{UID: 6, GID: 8}, nil, ""},
		{"capabilities that remain", host.Host{UID: 7, GID: 8, Effective: dac, Permitted: dac}, stage.Front{UID: 7, GID: 8}, nil, ""},
	} {
		c.h.Rlimit = func(int) (soft, hard uint64) { return 5, 6 }
		c.f.Program = "/x/bin/hk-run"
		words, err := recompileIn(c.f, &c.h)
		if (err == nil) != (c.want != nil) {
			t.Errorf("%s: %q, %v", c.name, words, err)
			continue
		}
		for _, w := range append(c.want, "hk-unshare", "--setsid", "--keyring", "--ro=/", "--rx=/x/bin", "--rx=/x/libexec/hk", "--fsize=0", "--data=6") {
			if err == nil && !slices.Contains(words, w) {
				t.Errorf("%s: %q lacks %s", c.name, words, w)
			}
		}
		if c.wantNone != "" && slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(w, c.wantNone) }) {
			t.Errorf("%s: %q has %s", c.name, words, c.wantNone)
		}
		if _, err := Parse(words); err != nil {
			t.Errorf("%s: %q: %v", c.name, words, err)
		}
	}
}

// TestLimited checks that what is printed is bounded.
func TestLimited(t *testing.T) {
	l := limited{most: 3}
	if n, err := l.Write([]byte("abc")); n != 3 || err != nil {
		t.Error(n, err)
	}
	if _, err := l.Write([]byte("d")); err == nil || l.String() != "abc" {
		t.Error(err, l.String())
	}
}
