package plan

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{
		"plain": `"plain"`, "a\"b\\": `"a\"b\\"`, "\n\t\r\v\f": `"\n\t\r\v\f"`,
		"\x01": `"\1"`, "\x017": `"\0017"`, "\x00a": `"\0a"`, "\x7f\xff": `"\177\377"`,
	} {
		if got := quote(in); got != want {
			t.Errorf("quote(%q) = %s; want %s", in, got, want)
		}
	}
}

func TestFlagText(t *testing.T) {
	for v, want := range map[uint64]string{
		0: "0", 1 << 63: "0x8000000000000000", unix.CLONE_NEWNS: "CLONE_NEWNS", unix.CLONE_NEWNS | 1: "CLONE_NEWNS|0x1",
	} {
		if got := flagText(v, cloneFlags); got != want {
			t.Errorf("flagText(%#x) = %s; want %s", v, got, want)
		}
	}
	if got := maskText(1<<(unix.SIGTERM-1) | 1<<33); got != "[TERM RT_2]" {
		t.Errorf("maskText(SIGTERM, 34) = %s; want [TERM RT_2]", got)
	}
	if got := Octal(0).String() + Octal(0o22).String() + Octal(0o1777).String(); got != "00002201777" {
		t.Errorf("Octal of 0, 022 and 01777 = %s; want 00002201777", got)
	}
}

func TestAddTwice(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("one op is in a plan twice: what changes it there changes it here")
		}
	}()
	p, op := New(), Setsid()
	p.Add("hk-x", op)
	p.Add("hk-x", op)
}

func TestSizes(t *testing.T) {
	// What the kernel has for these structs.
	op := New().cloneOp(0)
	if n := op.Args[0].Buffer().Len(); n != 88 {
		t.Errorf("Len() of struct clone_args = %d; want 88", n)
	}
}
