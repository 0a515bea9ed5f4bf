package filter

import (
	"slices"
	"strings"
	"testing"
)

// TestRemarks has what is said of rules that deny, and of which nothing is.
func TestRemarks(t *testing.T) {
	for _, c := range []struct{ words, want string }{
		{"none deny open(arg1==2),openat2,openat,io_uring_setup", "argument 1 of open(2) contains flags, and with one more bit set arg1==2 is not true: compare with a mask, such as arg1&3==2"},
		{"none deny open(arg1&3==2),openat2,openat,io_uring_setup", ""},
		{"none deny open(arg1!=2),openat2,openat,io_uring_setup", ""},
		{"none deny open(arg1&3==2),openat2,io_uring_setup", "openat(2) is allowed, which can do the same as open"},
		{"podman arch x86_64 deny socket(arg1==3)", "argument 1 of socket(2) contains flags, and with one more bit set arg1==3 is not true: compare with a mask, such as arg1&0xf==3"},
		{"podman arch x86_64 deny mprotect(arg2==7),pkey_mprotect(arg2&7==7)", "argument 2 of mprotect(2) contains flags, and with one more bit set arg2==7 is not true: compare with a mask, such as arg2&7==7"},
		{"podman arch x86_64 deny mprotect(arg2&7==7)", "pkey_mprotect(2) is allowed, which can do the same as mprotect"},
		{"none deny umount2(arg1==0)", "argument 1 of umount2(2) contains flags, and with one more bit set arg1==0 is not true"},
		{"none deny mkdir", "io_uring_setup(2) is allowed, which can do the same as mkdir"},
		{"none deny mkdir,read,io_uring_setup", ""},
		{"none deny mkdirat(arg2==1) allow io_uring_setup", "io_uring_setup(2) is allowed, which can do the same as mkdirat"},
		{"none deny mount", "move_mount(2) is allowed, which can do the same as mount"},
		{"none deny getsid,kill", ""},
		{"none allow mkdir,openat(arg2==1)", ""},
		{"podman deny mkdir,socket,connect", ""},
		{"podman", ""},
		{"docker", ""},
	} {
		p, _, err := overridden(c.words)
		if err != nil {
			t.Fatalf("%s: %v", c.words, err)
		}
		var texts []string
		for _, m := range p.Remarks(func(o Origin) bool { _, ok := o.Override(); return ok }) {
			texts = append(texts, m.Text)
		}
		if got := strings.Join(texts, "; "); got != c.want {
			t.Errorf("Remarks of %s = %q; want %q", c.words, got, c.want)
		}
	}
}

// TestWordsAndWays checks that the tables name calls and arguments that there are,
// each once.
func TestWordsAndWays(t *testing.T) {
	for _, w := range words {
		if _, ok := X86_64.argument(w.name, w.arg); !ok {
			t.Errorf("%s has no argument %d", w.name, w.arg)
		}
	}
	var names []string
	for _, s := range siblings {
		names = append(names, s.name, s.by)
	}
	for m := range ways {
		names = append(names, m.name, m.by)
	}
	for _, name := range names {
		if !slices.ContainsFunc(arches, func(a *Arch) bool { _, ok := a.Number(name); return ok }) {
			t.Errorf("there is no %s", name)
		}
	}
	if !slices.IsSorted(byRing[:]) || !slices.IsSorted(bySubmit[:]) {
		t.Error("names are not in order")
	}
}

// TestPacket has the rules that hold for AF_INET with SOCK_PACKET too, which are 2
// and 10.
func TestPacket(t *testing.T) {
	p := &Policy{Arches: []*Arch{X86_64}}
	for _, c := range []struct{ selection, want string }{
		{"socket(arg0==17)", "socket(arg0==2,arg1&0xf==0xa)"},
		{"socket(arg0==17,arg2==3)", "socket(arg0==2,arg1&0xf==0xa,arg2==3)"},
		{"socket(arg0>15)", "socket(arg0==2,arg1&0xf==0xa)"},
		{"socket(arg0==17,arg1&0xf==3)", ""},
		{"socket(arg0!=1)", ""}, {"socket(arg0==16)", ""}, {"socket(arg1==10)", ""}, {"socketpair(arg0==17)", ""}, {"socket", ""},
	} {
		list, err := ParseSelections(c.selection)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, r := range p.packet(Rule{Names: []string{list[0].Name}, Conds: list[0].Conds, Action: KillProcess}) {
			got = Selection{r.Names[0], r.Conds}.String()
		}
		if got != c.want {
			t.Errorf("%s: %q; want %q", c.selection, got, c.want)
		}
	}
}
