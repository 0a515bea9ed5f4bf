package landlock

import "testing"

// TestLogBits holds --log against what landlock_restrict_self(2) says of its flags:
// by itself the kernel logs what the program that restricts itself is denied, and
// what those in domains below are.
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
