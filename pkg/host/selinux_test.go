package host

import (
	"errors"
	"testing"

	"hk/pkg/cause"

	"golang.org/x/sys/unix"
)

// TestCheckLabel tests why a label is refused, and that nothing else is.
func TestCheckLabel(t *testing.T) {
	policy := func(label string) error {
		if label != "x_t" {
			return unix.EINVAL
		}
		return nil
	}
	for _, c := range []struct {
		label  string
		policy func(string) error
		want   error
	}{
		{"x_t", policy, nil},
		{"y_t", policy, unix.EINVAL},
		{"x_t", nil, ErrNoSELinux},
	} {
		h := &Host{SELinux: c.policy}
		if err := h.CheckLabel(c.label); !errors.Is(err, c.want) {
			t.Errorf("CheckLabel(%q) = %v; want %v", c.label, err, c.want)
		}
	}
	always := &Host{SELinux: func(string) error { return nil }}
	for _, label := range []string{"", "x_t\n", "x\x00t"} {
		if err := always.CheckLabel(label); err == nil {
			t.Errorf("CheckLabel(%q) = nil", label)
		}
	}
	if got := cause.In((&Host{}).CheckLabel("x_t")); got != cause.SELinuxOff {
		t.Errorf("without SELinux the cause is %q", got)
	}
}
