package host

import (
	"slices"
	"testing"
)

func FuzzHandover(f *testing.F) {
	f.Add(uint32(1000), uint32(100), true, false, true, false, false, 0, "")
	f.Add(uint32(0), uint32(0), false, true, false, true, true, 1023, "/a,ambient,program=/b\nuid=0/hk-unshare (deleted)")
	f.Fuzz(func(t *testing.T, uid, gid uint32, unmapped, ambient, net, joined, unheard bool, supervisor int, program string) {
		h := Handover{Unmapped: unmapped, Ambient: ambient, Net: net, Joined: joined, Unheard: unheard, Supervisor: max(supervisor, 0), Program: program}
		if unmapped {
			h.UID, h.GID = uid, gid
		}
		env := []string{"A=1", "HK_CHAINS=x"}
		if v := h.Variable(); v != "" {
			env = append(env, v)
		}
		left, got := takeHandover(env)
		if got != h {
			t.Errorf("takeHandover(%q) = %+v; want %+v", env, got, h)
		}
		if !slices.Equal(left, env[:2]) {
			t.Errorf("takeHandover(%q) leaves %q; want %q", env, left, env[:2])
		}
	})
}
