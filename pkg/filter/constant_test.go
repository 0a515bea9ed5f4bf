package filter

import (
	"slices"
	"strings"
	"testing"
)

// TestConstants compares a few constants with the kernel's headers, and checks the order
// in which they are searched.
func TestConstants(t *testing.T) {
	for name, want := range map[string]uint64{
		"AF_UNIX": 1, "AF_VSOCK": 40, "CLONE_NEWUSER": 0x10000000, "CLONE_NEWTIME": 0x80, "TIOCSTI": 0x5412, "TIOCLINUX": 0x541c,
		"PR_SET_NAME": 15, "PROT_EXEC": 4, "MAP_ANONYMOUS": 0x20, "S_ISUID": 0o4000, "O_CREAT": 0o100, "SOCK_CLOEXEC": 0o2000000,
		"SHM_EXEC": 0o100000, "READ_IMPLIES_EXEC": 0x400000, "SCHED_RESET_ON_FORK": 0x40000000, "AT_FDCWD": 0xffffffffffffff9c,
		"SIGSYS": 31, "PTRACE_SEIZE": 0x4206, "MS_REMOUNT": 32, "F_SETFL": 4, "IPPROTO_MPTCP": 262, "OPEN_TREE_NAMESPACE": 2,
	} {
		if got, ok := Constant(name); !ok || got != want {
			t.Errorf("Constant(%s) = %#x, %v; want %#x", name, got, ok, want)
		}
	}
	for _, name := range []string{"", "AF_", "EPERM", "F_GETLK64", "AF_UNIX "} {
		if got, ok := Constant(name); ok {
			t.Errorf("Constant(%q) = %#x; want none", name, got)
		}
	}
	if !slices.IsSortedFunc(constants[:], func(a, b constant) int { return strings.Compare(a.name, b.name) }) {
		t.Error("constants are not in order")
	}
}

// TestAlternatives has the rules of a mask of which any bit may differ.
func TestAlternatives(t *testing.T) {
	for _, c := range []struct{ selection, want, err string }{
		{"read", "read", ""},
		{"clone(arg0&CLONE_NEWUSER)", "clone(arg0&0x10000000==0x10000000)", ""},
		{"unshare(arg0&3!=2,arg0<9)", "unshare(arg0&1==1,arg0<9) unshare(arg0&2==0,arg0<9)", ""},
		{"socket(arg1&~3!=0,arg1&0xf==0)", "", ""},
		{"socket(arg1&~0xfffffff0)", "socket(arg1&1==1) socket(arg1&2==2) socket(arg1&4==4) socket(arg1&8==8)", ""},
		{"mmap(arg2&6,arg3&1!=1)", "mmap(arg2&2==2,arg3&1==0) mmap(arg2&4==4,arg3&1==0)", ""},
		{"read(arg0&0)", "", "argument 0: arg0&0!=0 is never true"},
		{"socket(arg0&0xf00000000)", "", "the kernel uses none of these bits"},
		{"socket(arg0&1!=2)", "", "arg0&1!=2 is always true"},
		{"mmap(arg2&~0,arg1&~0)", "", "would need too many rules"},
	} {
		list, err := ParseSelections(c.selection)
		if err != nil {
			t.Fatal(err)
		}
		all, err := list[0].alternatives()
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("alternatives of %s: %v; want an error with %q", c.selection, err, c.err)
			}
			continue
		}
		var texts []string
		for _, conds := range all {
			texts = append(texts, Selection{list[0].Name, conds}.String())
		}
		if got := strings.Join(texts, " "); err != nil || c.want != "" && got != c.want || c.want == "" && len(all) != 30 {
			t.Errorf("alternatives of %s = %s, %v; want %s", c.selection, got, err, c.want)
		}
	}
}

// TestMaskedNE compares filters of such conditions with what they mean.
func TestMaskedNE(t *testing.T) {
	for _, c := range []struct {
		words string
		nr    string
		arg   int
		deny  []uint64
		allow []uint64
	}{
		{"none arch x86_64 deny mprotect(arg2&~(PROT_READ|PROT_WRITE)),pkey_mprotect", "mprotect", 2, []uint64{4, 7, 8, 1 << 32, 1 << 63}, []uint64{0, 1, 2, 3}},
		{"none arch x86_64 deny socket(arg1&0xf!=SOCK_STREAM),io_uring_setup", "socket", 1, []uint64{2, 3, 5, 0, 0x80002, 1<<32 | 2}, []uint64{1, 0x80001, 1<<32 | 1}},
		{"none arch x86_64 allow socket(arg1&0xf!=SOCK_STREAM) deny socket,io_uring_setup", "socket", 1, []uint64{1, 0x80001, 1<<32 | 1}, []uint64{2, 3, 5, 0, 0x80002}},
	} {
		p, _, err := overridden(c.words)
		if err != nil {
			t.Fatalf("%s: %v", c.words, err)
		}
		code, err := Compile(p)
		if err != nil {
			t.Fatal(err)
		}
		m := newMachine(t, code)
		nr, _ := X86_64.Number(c.nr)
		for i, list := range [][]uint64{c.deny, c.allow} {
			for _, v := range list {
				var args [6]uint64
				args[c.arg] = v
				if got := m.run(t, X86_64.Audit, nr, args); got.Denies() != (i == 0) {
					t.Errorf("%s: %s with argument %d = %#x: %v", c.words, c.nr, c.arg, v, got)
				}
			}
		}
	}
}
