package landlock

import (
	"reflect"
	"testing"

	"golang.org/x/sys/unix"
)

// TestAsked has the domain that settings come to.
func TestAsked(t *testing.T) {
	abi5 := upTo(fsRights, DefaultABI)
	for _, c := range []struct {
		name string
		set  Ruleset
		want domain
	}{
		{"nothing", Ruleset{}, domain{}},
		{"a rule restricts all rights of the ABI", Ruleset{Rules: []Rule{{Flag: "ro", Path: "/"}}}, domain{fs: abi5}},
		{"a program does", Ruleset{Closures: []string{"sh"}}, domain{fs: abi5}},
		{"of another ABI", Ruleset{RestrictFS: true, ABI: 1}, domain{fs: upTo(fsRights, 1)}},
		{"one right alone", Ruleset{Restrict: execute}, domain{fs: execute}},
		{"and a rule for it", Ruleset{Restrict: execute, Rules: []Rule{{Flag: "allow", Path: "/", Access: execute}}}, domain{fs: execute}},
		{"and one for another", Ruleset{Restrict: execute, Rules: []Rule{{Flag: "allow", Path: "/", Access: makeReg}}}, domain{fs: execute | makeReg}},
		{"and a rule for all", Ruleset{Restrict: execute, Rules: []Rule{{Flag: "allow", Path: "/", Access: execute}, {Flag: "ro", Path: "/"}}}, domain{fs: abi5}},
		{"and a program", Ruleset{Restrict: execute, Closures: []string{"sh"}}, domain{fs: abi5}},
		{"and all rights of an ABI", Ruleset{Restrict: refer, ABI: 1, Rules: []Rule{{Flag: "allow", Path: "/", Access: execute}}}, domain{fs: upTo(fsRights, 2)}},
		{"and all rights", Ruleset{Restrict: execute, RestrictFS: true, Rules: []Rule{{Flag: "allow", Path: "/", Access: execute}}}, domain{fs: abi5}},
		{"a rule alone", Ruleset{Rules: []Rule{{Flag: "allow", Path: "/", Access: execute}}}, domain{fs: abi5}},
		{"a right of a later ABI, by its name", Ruleset{Rules: []Rule{{Flag: "allow", Path: "/", Access: unix.LANDLOCK_ACCESS_FS_RESOLVE_UNIX}}},
			domain{fs: abi5 | unix.LANDLOCK_ACCESS_FS_RESOLVE_UNIX}},
		{"ports", Ruleset{ConnectTCP: []uint16{80, 443}, BindUDP: []uint16{53}}, domain{net: connectTCP | bindUDP}},
		{"no port", Ruleset{RestrictNet: bindTCP}, domain{net: bindTCP}},
		{"scopes, and no log", Ruleset{Scope: scopeSignal, Log: "off"}, domain{scope: scopeSignal, log: logSameExecOff | logSubdomainsOff}},
	} {
		if got := c.set.asked(); got != c.want {
			t.Errorf("%s: asked of %+v = %+v; want %+v", c.name, c.set, got, c.want)
		}
		if got := c.set.askedOf(7); got != c.want {
			t.Errorf("%s: of ABI 7: %+v; want %+v", c.name, got, c.want)
		}
		if got, want := c.set.Needs().Confines, c.want.fs&(execute|readFile) != 0; got != want {
			t.Errorf("%s: Confines of %+v = %v; want %v", c.name, c.set, got, want)
		}
	}
}

// TestAll has what --restrict all comes to on kernels.
func TestAll(t *testing.T) {
	r := Ruleset{RestrictAll: true, Restrict: execute, Rules: []Rule{{Flag: "allow", Path: "/", Access: execute}}}
	for abi := range 12 {
		has := max(abi, 1)
		want := domain{fs: upTo(fsRights, has), net: upTo(netRights, has), scope: upTo(scopes, has)}
		if got := r.askedOf(abi); got != want {
			t.Errorf("with ABI %d: %+v; want %+v", abi, got, want)
		}
	}
	alone := Ruleset{RestrictAll: true}
	if got, want := alone.askedOf(2), (domain{fs: upTo(fsRights, 2)}); got != want || !alone.Needs().Confines {
		t.Errorf("alone, with ABI 2: %+v, %+v; want %+v, confined", got, alone.Needs(), want)
	}
}

// TestUnion has rules for one path, which are one grant.
func TestUnion(t *testing.T) {
	r := Ruleset{Rules: []Rule{{Flag: "ro", Path: "/a"}, {Flag: "rwx", Path: "/b"}, {Flag: "allow", Path: "/a", Access: execute}, {Flag: "ro", Path: "/a/"}}}
	want := []grant{
		{[]string{"--ro", "--allow"}, "/a", read | execute},
		{[]string{"--rwx"}, "/b", read | write | execute},
		{[]string{"--ro"}, "/a/", read},
	}
	if got := r.union(); !reflect.DeepEqual(got, want) {
		t.Errorf("union of %+v = %+v; want %+v", r.Rules, got, want)
	}
}

// TestParseAccess has names of rights as the kernel and as flags have them.
func TestParseAccess(t *testing.T) {
	for _, c := range []struct {
		text string
		want Access
		ok   bool
	}{
		{"execute", execute, true}, {"read_file+read_dir", read, true}, {"read-file+read-dir", read, true}, {"refer+refer", refer, true},
		{"", 0, false}, {"execute+", 0, false}, {"EXECUTE", 0, false}, {"read", 0, false}, {"execute,refer", 0, false},
	} {
		got, err := ParseAccess(c.text)
		if got != c.want || (err == nil) != c.ok {
			t.Errorf("ParseAccess(%q) = %v, %v; want %v, an error %v", c.text, got, err, c.want, !c.ok)
		}
		if again, err := ParseAccess(got.Names()); c.ok && (again != got || err != nil) {
			t.Errorf("ParseAccess(%q) prints as %q, which is %v, %v", c.text, got.Names(), again, err)
		}
	}
}
