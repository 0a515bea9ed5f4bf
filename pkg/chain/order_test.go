package chain

import (
	"strings"
	"testing"

	"hk/pkg/cause"
	"hk/pkg/host"
)

// TestOrder checks which orders are refused, and that nothing else is.
func TestOrder(t *testing.T) {
	const landlock = "hk-landlock --rx / "
	for _, c := range []struct{ chain, want string }{
		{"hk-unshare --all hk-idmap hk-mount --rootfs / hk-net --loopback hk-setuser --caps none hk-limit --core 0 " + landlock + "hk-seccomp", ""},
		{landlock + "hk-mount --rootfs /", "hk-landlock forbids mounts: put hk-mount before it"},
		{landlock + "hk-unshare --user --mount hk-idmap hk-mount --rootfs /", "hk-landlock forbids mounts: put hk-mount before it"},
		{"hk-mount --rootfs / " + landlock, ""},
		{"hk-landlock --tcp-bind 80 hk-mount --rootfs /", ""},
		{"hk-landlock --scope signal hk-mount --rootfs /", ""},
		{"hk-seccomp hk-mount --rootfs /", "hk-seccomp may deny the calls of stages after it: put hk-mount before it"},
		{"hk-seccomp --profile none hk-mount --rootfs /", ""},
		{"hk-seccomp --profile none --deny ptrace hk-mount --rootfs /", "hk-seccomp may deny the calls of stages after it: put hk-mount before it"},
		{"hk-seccomp --bpf /f hk-mount --rootfs /", "hk-seccomp may deny the calls of stages after it: put hk-mount before it"},
		{"hk-unshare --user hk-idmap --root hk-seccomp hk-unshare --user --mount hk-idmap hk-mount --rootfs /", ""}, // another plan
		{"hk-setuser --caps none hk-mount --rootfs /", "hk-setuser drops CAP_SYS_ADMIN: put hk-mount before it"},
		{"hk-setuser --caps -sys_admin hk-unshare --net", "hk-setuser drops CAP_SYS_ADMIN: put hk-unshare before it"},
		{"hk-setuser --caps -net_admin hk-mount --rootfs /", ""},
		{"hk-setuser --caps none --bounding all hk-mount --rootfs /", ""},
		{"hk-setuser --caps none hk-setuser --userns-fd 9 hk-mount --rootfs /", ""},
		{"hk-setuser --caps keep hk-mount --rootfs /", ""},
		{"hk-setuser --caps +sys_admin hk-mount --rootfs /", ""},
		{"hk-setuser --caps none hk-unshare --user --mount hk-idmap hk-mount --rootfs /", ""},
		{"hk-setuser --caps none hk-unshare --join user=1 hk-mount --rootfs /", ""},
		{"hk-unshare --net hk-setuser --caps none hk-net --loopback", "hk-setuser drops CAP_NET_ADMIN: put hk-net before it"},
		{"hk-unshare --user --mount hk-mount --rootfs / hk-idmap", "it needs ID maps: put hk-idmap before it"},
		{"hk-unshare --user --mount hk-mount --rootfs /", ""}, // the stage says what is missing
		{"hk-idmap hk-unshare --user --mount", "it needs a new user namespace: put hk-unshare before it"},
		{"hk-idmap --pid 7 hk-unshare --user --mount", ""},
		{"hk-unshare --user hk-idmap hk-unshare --user hk-idmap", ""},
		{"hk-unshare --user-try hk-idmap", ""},
		{"hk-unshare --user hk-idmap hk-net --loopback hk-unshare --net", "it needs a new network namespace: put hk-unshare before it"},
		{"hk-net --loopback", ""},
		{"hk-unshare --join user,pid=1 hk-inspect hk-setuser --caps none", "processes of the user namespace that hk-unshare joins could trace it before hk-setuser: put it at the end of the chain"},
		{"hk-unshare --join all=1 hk-inspect --only ids hk-inspect hk-seccomp", "processes of the user namespace that hk-unshare joins could trace it before hk-seccomp: put it at the end of the chain"},
		{"hk-setuser --userns-fd 9 hk-inspect hk-seccomp", "processes of the user namespace that hk-setuser joins could trace it before hk-seccomp: put it at the end of the chain"},
		{"hk-unshare --join user,pid=1 hk-setuser --caps none hk-inspect hk-inspect", ""},
		{"hk-unshare --join user,pid=1 hk-inspect --force-order hk-setuser --caps none", ""},
		{"hk-unshare --user --join net=1 hk-inspect hk-setuser --caps none", ""},
		{"hk-inspect hk-unshare --join user=1 hk-setuser --caps none", ""},
		{landlock + "hk-mount --force-order --rootfs /", ""},
	} {
		parsed, err := Parse(strings.Fields(c.chain))
		if err != nil {
			t.Errorf("%s: %v", c.chain, err)
			continue
		}
		h := fakeHost(1000)
		got := ""
		if err := parsed.checkOrder(h); err != nil {
			got = err.Error()
			if cause.In(err) != cause.Order {
				t.Errorf("%s: the cause is %q; want order", c.chain, cause.In(err))
			}
		}
		if got != c.want {
			t.Errorf("%s: %q; want %q", c.chain, got, c.want)
		}
	}
}

// TestOrderHere checks what the caller may have: it is left to the stage.
func TestOrderHere(t *testing.T) {
	for _, c := range []struct {
		chain string
		here  func(*host.Host)
	}{
		{"hk-idmap hk-unshare --user hk-idmap", func(h *host.Host) { h.Mapped = func() bool { return false } }},
		{"hk-net --loopback hk-unshare --net", func(h *host.Host) { h.OwnNet = func() bool { return true } }},
		{"hk-landlock --best-effort --rx / hk-mount --rootfs /", func(h *host.Host) { h.LandlockABI = func() int { return 0 } }},
	} {
		parsed, err := Parse(strings.Fields(c.chain))
		if err != nil {
			t.Fatal(err)
		}
		h := fakeHost(1000)
		if parsed.checkOrder(h) == nil {
			t.Errorf("%s: not refused where it cannot work", c.chain)
		}
		c.here(h)
		if err := parsed.checkOrder(h); err != nil {
			t.Errorf("%s: %v; want it left to the stage", c.chain, err)
		}
	}
}
