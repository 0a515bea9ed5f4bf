package idmap

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"hk/pkg/getopt"
	"hk/pkg/host"
	"hk/pkg/ids"
)

func TestParseRange(t *testing.T) {
	for _, c := range []struct {
		s    string
		want Range
		err  string
	}{
		{"5", Range{ids.Extent{Inside: 5, Outside: 0, Count: 1}, false, false}, ""},
		{"5:6", Range{ids.Extent{Inside: 5, Outside: 6, Count: 1}, true, false}, ""},
		{"5:6:7", Range{ids.Extent{Inside: 5, Outside: 6, Count: 7}, true, true}, ""},
		{"0:0:4294967295", Range{ids.Extent{Inside: 0, Outside: 0, Count: 4294967295}, true, true}, ""},
		{"", Range{}, `"" is not an ID from 0 to 4294967294`},
		{"5:", Range{}, `"" is not an ID from 0 to 4294967294`},
		{":6", Range{}, `"" is not an ID from 0 to 4294967294`},
		{"4294967295", Range{}, `"4294967295" is not an ID from 0 to 4294967294`},
		{"5:4294967295", Range{}, `"4294967295" is not an ID from 0 to 4294967294`},
		{"+5", Range{}, `"+5" is not an ID from 0 to 4294967294`},
		{"05", Range{}, `"05" is not an ID from 0 to 4294967294`},
		{"root", Range{}, `"root" is not an ID from 0 to 4294967294`},
		{"5:6:0", Range{}, `"0" is not a count from 1 to 4294967295`},
		{"5:6:4294967296", Range{}, `"4294967296" is not a count from 1 to 4294967295`},
		{"5:6:7:8", Range{}, "a range is INSIDE[:OUTSIDE[:COUNT]]"},
	} {
		got, err := ParseRange(c.s)
		if text := message(err); text != c.err || err == nil && got != c.want {
			t.Errorf("ParseRange(%q) = %+v, %q; want %+v, %q", c.s, got, text, c.want, c.err)
		}
		if err == nil && got.String() != c.s {
			t.Errorf("ParseRange(%q).String() = %q; want the same", c.s, got)
		}
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// caller is user 1000 and group 100, with subordinate ids.
func caller(uid, gid []ids.Range, err error) *host.Host {
	return &host.Host{UID: 1000, GID: 100, SubIDs: func(kind string) ([]ids.Range, error) {
		if kind == "uid" {
			return uid, err
		}
		return gid, err
	}}
}

func TestResolve(t *testing.T) {
	two := caller([]ids.Range{{First: 100000, Count: 65536}, {First: 5000, Count: 10}}, []ids.Range{{First: 7000, Count: 3}}, nil)
	for _, c := range []struct {
		flags    string
		host     *host.Host
		uid, gid string
		err      string
	}{
		{"", two, "1000 1000 1\n", "100 100 1\n", ""},
		{"--self", two, "1000 1000 1\n", "100 100 1\n", ""},
		{"--root", two, "0 1000 1\n", "0 100 1\n", ""},
		{"--auto", two, "0 1000 1\n1 100000 65536\n65537 5000 10\n", "0 100 1\n1 7000 3\n", ""},
		{"--uid 5", two, "5 1000 1\n", "100 100 1\n", ""},
		{"--gid 6", two, "1000 1000 1\n", "6 100 1\n", ""},
		{"--uid 0:2:3 --uid 3:1 --gid 9:8:7", two, "0 2 3\n3 1 1\n", "9 8 7\n", ""},

		{"--self --root", two, "", "", "--self, --root and --auto are mutually exclusive"},
		{"--root --auto", two, "", "", "--self, --root and --auto are mutually exclusive"},
		{"--self --auto", two, "", "", "--self, --root and --auto are mutually exclusive"},
		{"--root --gid 5", two, "", "", "--uid and --gid give the whole map: they cannot be combined with --root, --auto or --self"},
		{"--auto --uid 5", two, "", "", "--uid and --gid give the whole map: they cannot be combined with --root, --auto or --self"},
		{"--self --uid 5", two, "", "", "--uid and --gid give the whole map: they cannot be combined with --root, --auto or --self"},
		{"--uid 0:1:2 --uid 1:5", two, "", "", "--uid: 0:1:2 and 1:5:1 overlap inside"},
		{"--gid 0:10:5 --gid 10:12", two, "", "", "--gid: 0:10:5 and 10:12:1 overlap outside"},
		{"--uid 0 --uid 1", two, "", "", "--uid: 0:1000:1 and 1:1000:1 overlap outside"},
		{"--uid 0:4294967294:2", two, "", "", "--uid: 0:4294967294:2 reaches beyond the last ID, 4294967294"},
		{"--auto", caller(nil, nil, nil), "", "", "--auto: /etc/subuid gives the caller no IDs: root can add some that nobody else has with usermod --add-subuids: hk-doctor says which"},
		{"--auto", caller([]ids.Range{{First: 1, Count: 2}}, nil, nil), "", "", "--auto: /etc/subgid gives the caller no IDs: root can add some that nobody else has with usermod --add-subgids: hk-doctor says which"},
		{"--auto", caller(nil, nil, errors.New("/etc/subuid: cannot be read")), "", "", "/etc/subuid: cannot be read"},
		{"--auto", caller([]ids.Range{{First: 0, Count: 1 << 31}, {First: 1 << 31, Count: 1<<31 - 1}}, nil, nil), "", "",
			"--auto: /etc/subuid gives more IDs than there are"},
		{"--auto", caller([]ids.Range{{First: 999, Count: 2}}, []ids.Range{{First: 1, Count: 1}}, nil), "", "",
			"--uid: 0:1000:1 and 1:999:2 overlap outside"},
	} {
		m := parsed(t, c.flags)
		uid, gid, err := m.resolve(c.host)
		if err != nil {
			uid.ids, gid.ids = nil, nil
		}
		if uid.ids.String() != c.uid || gid.ids.String() != c.gid || message(err) != c.err {
			t.Errorf("%q: resolve() = %q, %q, %q; want %q, %q, %q", c.flags, uid.ids, gid.ids, message(err), c.uid, c.gid, c.err)
		}
	}
}

// parsed is the result of parsing flags, which are printed as flags that parse to the
// same.
func parsed(t *testing.T, flags string) *Maps {
	t.Helper()
	read := func(words []string) *Maps {
		var fs getopt.Flags
		m := &Maps{}
		m.Flags(&fs)
		if _, err := fs.Parse(words); err != nil {
			t.Fatalf("Parse(%q): %v", words, err)
		}
		return m
	}
	m := read(strings.Fields(flags))
	if again := read(m.Args()).Args(); !slices.Equal(again, m.Args()) {
		t.Errorf("Parse(%q).Args() = %q, and of that %q; want the same", flags, m.Args(), again)
	}
	return m
}

func TestSetgroups(t *testing.T) {
	const refused = "--setgroups allow: without CAP_SETGID, the caller's own group can be mapped only with setgroups denied"
	own := ids.Map{{Inside: 0, Outside: 100, Count: 1}}
	more := append(slices.Clone(own), ids.Extent{Inside: 1, Outside: 7000, Count: 3})
	other := ids.Map{{Inside: 0, Outside: 7000, Count: 1}}
	for _, c := range []struct {
		name               string
		flag               string
		single, privileged bool
		gid                ids.Map
		want, err          string
	}{
		{"own ids", "", true, false, own, "deny", ""},
		{"own ids, privileged", "", true, true, own, "deny", ""},
		{"own group, more users", "", false, false, own, "deny", ""},
		{"own group, more users, privileged", "", false, true, own, "allow", ""},
		{"more groups", "", false, false, more, "allow", ""},
		{"another group", "", false, false, other, "allow", ""},
		{"own ids, allow", "allow", true, false, own, "", refused},
		{"own ids, allow, privileged", "allow", true, true, own, "allow", ""},
		{"more groups, allow", "allow", false, false, more, "allow", ""},
		{"another group, allow", "allow", false, false, other, "allow", ""},
		{"more groups, deny", "deny", false, false, more, "deny", ""},
		{"own ids, deny, privileged", "deny", true, true, own, "deny", ""},
	} {
		m := &Maps{Setgroups: c.flag}
		got, err := m.setgroups(c.single, c.privileged, direction{self: 100, ids: c.gid})
		if got != c.want || message(err) != c.err {
			t.Errorf("%s: setgroups(%v, %v, %v) = %q, %q; want %q, %q", c.name, c.single, c.privileged, []ids.Extent(c.gid), got, message(err), c.want, c.err)
		}
	}
}
