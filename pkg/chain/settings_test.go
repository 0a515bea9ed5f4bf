package chain

import (
	"context"
	"strings"
	"testing"

	"hk/pkg/idmap"
	"hk/pkg/ids"
	"hk/pkg/landlock"
	"hk/pkg/limit"
	"hk/pkg/mount"
	"hk/pkg/setuser"
	"hk/pkg/stage"
	"hk/pkg/unshare"

	"golang.org/x/sys/unix"
)

// TestSettings prepares stages whose fields have values that no flag accepts. An
// unknown propagation would mean none: the mounts of the sandbox would be shared with
// the host.
func TestSettings(t *testing.T) {
	const user = unix.CLONE_NEWUSER
	mask := uint32(0o7777)
	for _, c := range []struct {
		stage stage.Stage
		want  string // "" is the control
	}{
		{&unshare.Namespaces{New: user | unix.CLONE_NEWNS, Propagation: "slave"}, ""},
		{&unshare.Namespaces{New: user | unix.CLONE_NEWNS, Propagation: "Private"}, "hk-unshare: --propagation=Private: not private, slave, shared or unchanged"},
		{&unshare.Namespaces{New: user | unix.CLONE_NEWUTS, Hostname: strings.Repeat("x", 65)}, "a name has 1 to 64 bytes"},
		{&unshare.Namespaces{New: user, Held: []int{-1}}, `hk-unshare: --keep-fd=-1: "-1" is not a file descriptor`},
		{&unshare.Namespaces{New: user, CloseFDs: true, KeepFDs: []int{7, 3}}, `hk-unshare: the settings are ["--user" "--close-fds=7,3"] as flags, which mean ["--user" "--close-fds=3,7"]`},
		{&unshare.Namespaces{New: user, Block: -7}, "hk-unshare: InitWaits needs Init"},
		{&unshare.Namespaces{New: user | unix.CLONE_NEWPID, Init: true, InitWaits: true, Outlive: true}, "hk-unshare: --init=wait with --outlive is for a program that ends with the payload"},
		{&unshare.Namespaces{New: user, Block: 1}, "hk-unshare: --block-fd=1: it must be above 2"},
		{&unshare.Namespaces{New: user, Block: 7}, "hk-unshare: --block-fd, --userns-block-fd, --namespace-ids and --assert-userns-disabled are for a program that does nothing else"},
		{&unshare.Namespaces{New: user, Try: unix.CLONE_NEWNET}, "hk-unshare: InitWaits needs Init"},
		{&idmap.Maps{Setgroups: "no"}, "hk-idmap: --setgroups=no: not allow or deny"},
		{&idmap.Maps{UID: []idmap.Range{{Extent: ids.Extent{Inside: ids.None}}}}, `hk-idmap: --uid=4294967295: "4294967295" is not an ID from 0 to 4294967294`},
		{&mount.Mounts{Entries: []mount.Entry{{Kind: "bind", Source: "/"}}}, "hk-mount: unknown flag --bind: here it is --rw SRC:DST"},
		{&mount.Mounts{Entries: []mount.Entry{{Kind: mount.Tmpfs, Target: "tmp"}}}, `hk-mount: --tmpfs=tmp: "tmp" is not an absolute path`},
		{&mount.Mounts{Entries: []mount.Entry{{Kind: mount.Bind, FD: 7, Target: "/x"}}}, "hk-mount: --rw fd:7:/x: descriptor 7: this program would have to keep it open for every start: give a path"},
		{&mount.Mounts{Entries: []mount.Entry{{Kind: mount.Bind, FD: 2, Target: "/x"}}}, "hk-mount: --rw=fd:2:/x: a descriptor above 2 is needed"},
		{&mount.Mounts{Entries: []mount.Entry{{Kind: mount.Bind, FD: -1, Target: "/x"}}}, "hk-mount: --rw=fd:-1:/x: "},
		{&setuser.Credentials{Umask: &mask}, `hk-setuser: --umask=7777: "7777" is not an octal mask from 0 to 777`},
		{&limit.Limits{List: []limit.Limit{{Resource: "files"}}}, "hk-limit: unknown flag --files"},
		{&limit.Limits{List: []limit.Limit{{Resource: "nofile", Soft: 2, Hard: 1}}}, "hk-limit: --nofile=2:1: the soft limit is above the hard limit"},
		{&landlock.Ruleset{Log: "none"}, "hk-landlock: --log=none: not off, exec or subdomains"},
		{&landlock.Ruleset{Rules: []landlock.Rule{{Flag: "ro", Path: ""}}}, "hk-landlock: --ro=: an empty path"},
		{&landlock.Ruleset{ABI: 99}, "hk-landlock: --abi=99: "},
	} {
		_, err := New(c.stage).Prepare(context.Background())
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("New(%+v).Prepare() = %v; want %q", c.stage, err, c.want)
		}
	}
}
