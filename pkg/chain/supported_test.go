package chain

import (
	"errors"
	"testing"

	"hk/pkg/host"
)

// TestNotSupported has a caller tell what this kernel lacks from what is asked for in
// the wrong way.
func TestNotSupported(t *testing.T) {
	for _, c := range []struct {
		abi  int
		line string
		want bool
	}{
		{0, "hk-landlock --rwx / -- true", true},
		{2, "hk-landlock --rwx / -- true", true},
		{4, "hk-landlock --abi 6 --rwx / -- true", true},
		{4, "hk-landlock --abi 4 --rwx / --scope signal -- true", true},
		{7, "hk-landlock -- true", false},
		{7, "hk-net --loopback -- true", false},
	} {
		h := fakeHost(1000)
		h.LandlockABI = func() int { return c.abi }
		ch, err := parse(t, t.TempDir(), c.line, true)
		if err != nil {
			t.Fatal(err)
		}
		_, err = ch.Plan(h)
		if err == nil || errors.Is(err, host.ErrNotSupported) != c.want {
			t.Errorf("ABI %d, %s: Plan() = %v; want ErrNotSupported: %v", c.abi, c.line, err, c.want)
		}
	}
}
