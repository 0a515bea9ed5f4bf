package landlock

import "testing"

// TestLogBits compares --log with what landlock_restrict_self(2) says about its flags:
// by default the kernel logs what is denied to the program that restricts itself, and
// in nested domains.
func TestLogBits(t *testing.T) {
	for v, want := range map[string]struct{ same, exec, sub bool }{
		"":           {true, false, true},
		"off":        {false, false, false},
		"exec":       {true, true, false},
		"subdomains": {true, true, true},
	} {
		got := logBits(v)
		if same := got&(1<<0) == 0; same != want.same {
			t.Errorf("--log %s: what is executed by the same program is logged: %v; want %v", v, same, want.same)
		}
		if exec := got&(1<<1) != 0; exec != want.exec {
			t.Errorf("--log %s: what other programs do is logged: %v; want %v", v, exec, want.exec)
		}
		if sub := got&(1<<2) == 0; sub != want.sub {
			t.Errorf("--log %s: domains below log: %v; want %v", v, sub, want.sub)
		}
	}
}
