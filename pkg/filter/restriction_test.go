package filter

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestRestrictions has calls that each restriction denies, and next to them what it
// leaves, on all architectures that have the call.
func TestRestrictions(t *testing.T) {
	for _, c := range []struct {
		restrict string
		// name(arg,arg) of what is denied, and of what is allowed.
		deny, allow string
	}{
		{"namespaces",
			"setns(3,0) setns(3,0x40000000) clone3(0x1000,88) clone(0x10000011) clone(0x20000) clone(0x2000000) clone(0x4000000) clone(0x8000000) clone(0x20000000) clone(0x40000000) clone(0x110000011) " +
				"unshare(0x10000000) unshare(0x80) unshare(0x20200) unshare(0x100000) unshare(0x10000000000@64) open_tree(0,0,3) open_tree(0,0,2) open_tree_attr(0,0,2) fsmount(3,2) fsmount(3,3)",
			"clone(17) clone(0x3d0f00) clone(0x80) clone(0x80000000) unshare(0) unshare(0x50f00) unshare(0x200) open_tree(0,0,1) open_tree(0,0,0x80001) fsmount(3,0) fsmount(3,1) fork() vfork()"},
		{"address-families=AF_UNIX+AF_INET",
			"socket(10,1) socket(16,3) socket(17,3) socket(40,1) socket(0,1) socket(2,10) socket(2,0x8000a) socket(0x10000000a,1) socketpair(30,1) socketcall(1) socketcall(8) socketcall(0x100000001@32) io_uring_setup(8)",
			"socket(1,1) socket(2,1) socket(2,2) socket(2,3) socket(0x100000001,2) socketpair(1,2) socketpair(2,1) socketcall(3) connect(3)"},
		{"address-families=AF_INET",
			"socket(1,1) socketpair(1,2) socketpair(1,3) socketpair(1,0x80002) socketpair(0x100000001,2) socketpair(30,1) socket(2,10)", "socket(2,1) socketpair(1,1) socketpair(1,0x80005)"},
		{"address-families=none", "socket(1,1) socket(2,1) socketpair(1,2) socketpair(2,1) socketcall(1)", "socketpair(1,1) socketpair(1,5)"},
		{"address-families=~AF_PACKET+AF_NETLINK",
			"socket(17,3) socket(16,3) socket(0x100000010,3) socket(2,10) socketpair(17,1) socketcall(1) io_uring_setup(8)", "socket(1,1) socket(2,1) socket(10,2) socketpair(1,2)"},
		{"address-families=~AF_UNIX", "socket(1,1) socketpair(1,2) socketpair(1,3)", "socket(2,1) socketpair(1,1)"},
		{"suid-sgid",
			"chmod(0,04755) chmod(0,02755) chmod(0,06000) fchmod(3,04000) fchmod(3,0x10800) fchmodat(3,0,02000) fchmodat2(3,0,04777,0) mknod(0,0104755) mknodat(3,0,0102000,0) creat(0,04700) " +
				"open(0,0x41,04755) open(0,0x410002,02755) openat(3,0,0x40,04755) openat(3,0,0x400000,02000) openat2(3,0,0,24) io_uring_setup(8)",
			"chmod(0,0755) chmod(0,01777) chmod(0,0x8000) fchmod(3,0777) fchmodat(3,0,0644) fchmodat2(3,0,0644,0) mknod(0,0100644) mknodat(3,0,010600,0) creat(0,0600) " +
				"open(0,0x41,0644) open(0,0,04755) open(0,0x10000,06000) openat(3,0,0x41,01777) openat(3,0,0x80000,04000) mkdir(0,02755)"},
		{"realtime",
			"sched_setscheduler(0,1) sched_setscheduler(0,2) sched_setscheduler(0,6) sched_setscheduler(0,7) sched_setscheduler(0,0x40000001) sched_setscheduler(0,0x100000001) sched_setscheduler(0,0xffffffff) sched_setattr(0)",
			"sched_setscheduler(0,0) sched_setscheduler(0,3) sched_setscheduler(0,5) sched_setscheduler(0,0x40000000) sched_setscheduler(0,0x100000003) setpriority(0,0)"},
		{"write-execute",
			"mmap(0,1,6) mmap(0,1,7) mmap(0,1,0x100000007) mmap2(0,1,6) mprotect(0,1,4) mprotect(0,1,7) mprotect(0,1,0xc) pkey_mprotect(0,1,5,0) shmat(1,0,0x8000) shmat(1,0,0x9000) ipc(21) ipc(0x10015) " +
				"personality(0x400000) personality(0x440000) personality(0x100400000) personality(0xfffffffe) mmap(0,1,5@m)",
			"mmap(0,1,5@r) mmap(0,1,3@r) mmap2(0,1,5) mmap2(0,1,3) mprotect(0,1,3) mprotect(0,1,8) pkey_mprotect(0,1,1,0) shmat(1,0,0x1000) ipc(22) ipc(1) personality(0xffffffff) personality(0) personality(0x40000)"},
		{"personality", "personality(8) personality(0x40000) personality(0x400000) personality(0x100000008) personality(0xfffffffe)", "personality(0) personality(0xffffffff) personality(0x1ffffffff)"},
	} {
		for _, arches := range [][]*Arch{{X86_64, X86, X32}, {AArch64, ARM}, {X86_64}} {
			p := &Policy{Default: Allow, Newer: Allow, Arches: arches}
			list, err := ParseRestrictions(c.restrict)
			if err == nil {
				err = p.Override(list, nil)
			}
			if err != nil {
				t.Fatalf("%s: %v", c.restrict, err)
			}
			if remarks := p.Remarks(func(Origin) bool { return true }); remarks != nil {
				t.Errorf("%s leaves gaps: %v", c.restrict, remarks)
			}
			code, err := Compile(p)
			if err != nil {
				t.Fatal(err)
			}
			m := newMachine(t, code)
			for _, a := range arches {
				for i, text := range []string{c.deny, c.allow} {
					for _, word := range strings.Fields(text) {
						nr, args, ok := callOf(t, a, word)
						if got := m.run(t, a.Audit, nr, args); ok && got.Denies() != (i == 0) {
							t.Errorf("%s: %s of %s: %v", c.restrict, word, a.Name, got)
						}
					}
				}
			}
			compare(t, rand.New(rand.NewPCG(1, 2)), p, 300)
		}
	}
}

// callOf reads a call in a test: name(0x1,2), with @64 if only 64-bit architectures look
// at so much, with @32 if only the others have it, and with @m or @r if it is only meant
// where mmap(2) has its arguments in memory, or in registers.
func callOf(t *testing.T, a *Arch, word string) (nr uint32, args [6]uint64, ok bool) {
	name, rest, _ := strings.Cut(strings.TrimSuffix(word, ")"), "(")
	rest, only, _ := strings.Cut(rest, "@")
	for i, v := range strings.Split(rest, ",") {
		if v == "" {
			continue
		}
		n, err := plainNumber(v)
		if err != nil {
			t.Fatal(word, err)
		}
		args[i] = n
	}
	old := a == X86 && name == "mmap"
	if only == "64" && a.bits == 32 || only == "32" && a.bits == 64 || only == "m" && !old || only != "m" && old {
		return 0, args, false
	}
	nr, ok = a.Number(name)
	return nr, args, ok
}

// TestRestrictionsFirst has a rule that allows what a restriction denies.
func TestRestrictionsFirst(t *testing.T) {
	for _, words := range []string{"none allow unshare restrict namespaces", "none restrict namespaces allow unshare default deny", "podman allow unshare,clone3 restrict namespaces"} {
		p, _, err := overridden(words)
		if err != nil {
			t.Fatal(err)
		}
		nr, _ := X86_64.Number("unshare")
		if got := p.Evaluate(X86_64.Audit, nr, [6]uint64{0x10000000}); !got.Denies() {
			t.Errorf("%s: unshare of a user namespace: %v; want a denial", words, got)
		}
		if got := p.Evaluate(X86_64.Audit, nr, [6]uint64{0x200}); got.Denies() {
			t.Errorf("%s: unshare of CLONE_FS: %v; want that it is allowed", words, got)
		}
	}
}

// TestParseRestrictions has what is not a restriction.
func TestParseRestrictions(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"namespaces,suid-sgid,address-families=~AF_PACKET", ""},
		{"", `"" is not namespaces, address-families=`}, {"namespaces,", `"" is not namespaces`}, {"namespace", `"namespace" is not namespaces`},
		{"namespaces=user", "namespaces: it takes no values"}, {"realtime=", "realtime: it takes no values"},
		{"address-families", "address-families: which ones"}, {"address-families=", `"" is not a family`},
		{"address-families=AF_UNIX+", `"" is not a family`}, {"address-families=unix", `"unix" is not a family such as AF_UNIX`},
		{"address-families=~none", `"none" is not a family`}, {"address-families=none+AF_UNIX", `"none" is not a family`},
		{"address-families=SOCK_STREAM", "is not a family"}, {"address-families=AF_UNIX+~AF_INET", `"~AF_INET" is not a family`},
	} {
		list, err := ParseRestrictions(c.text)
		if got := fmt.Sprint(err); (err != nil) != (c.want != "") || !strings.Contains(got, c.want) {
			t.Errorf("ParseRestrictions(%q) = %v, %v; want an error with %q", c.text, list, err, c.want)
		}
		for _, o := range list {
			if again, err := ParseRestrictions(strings.TrimPrefix(o.String(), "restrict=")); err != nil || !slices.EqualFunc(again, []Override{o}, func(a, b Override) bool { return a.String() == b.String() }) {
				t.Errorf("%v is read again as %v, %v", o, again, err)
			}
		}
	}
}
