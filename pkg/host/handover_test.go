package host

import (
	"reflect"
	"slices"
	"testing"
)

func FuzzHandover(f *testing.F) {
	f.Add(uint32(1000), uint32(100), true, false, true, false, false, true, 0, "", false, false, "", false, 0, false, false, "", "", "")
	f.Add(uint32(0), uint32(0), false, true, false, true, true, false, 1023, "/a,ambient,program=/b\nuid=0/hk-unshare (deleted)", true, true, "/bin:,program=\\,unfused=\\:/x\\", true, 1, true, true, "-a,program=\\b,ambient", "net:1:0+mnt:2:3", "--ro,/\\,a,program=")
	f.Fuzz(func(t *testing.T, uid, gid uint32, unmapped, ambient, net, joined, unheard, pids bool, supervisor int, program string, searches, fuse bool, path string, mounts bool, propagation int, quiet, nouser bool, argv0, origins, landlock string) {
		h := Handover{Unmapped: unmapped, Ambient: ambient, Net: net, Joined: joined, Unheard: unheard, PIDs: pids, Mounts: mounts, Supervisor: max(supervisor, 0), Program: program, Quiet: quiet, NoUser: nouser, Argv0: argv0, Origins: origins, Landlock: landlock}
		h.Propagation = []string{"", "slave", "shared", "unchanged"}[propagation&3]
		if unmapped {
			h.UID, h.GID = uid, gid
		}
		if searches {
			h.Search = &Search{Path: path, Fuse: fuse}
		}
		env := []string{"A=1", "HK_CHAINS=x"}
		if v := h.Variable(); v != "" {
			env = append(env, v)
		}
		left, got := takeHandover(env)
		if !reflect.DeepEqual(got, h) {
			t.Errorf("takeHandover(%q) = %+v; want %+v", env, got, h)
		}
		if !slices.Equal(left, env[:2]) {
			t.Errorf("takeHandover(%q) leaves %q; want %q", env, left, env[:2])
		}
	})
}
