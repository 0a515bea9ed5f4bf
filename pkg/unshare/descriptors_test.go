package unshare

import (
	"slices"
	"strings"
	"testing"
)

func TestStale(t *testing.T) {
	const listen = "LISTEN_FDS LISTEN_PID LISTEN_PIDFDID LISTEN_FDNAMES"
	for _, c := range []struct {
		env  string
		keep []int
		want string
	}{
		{"", nil, ""},
		{"LISTEN_FDS=0", nil, ""},
		{"LISTEN_FDS=1", nil, listen},
		{"LISTEN_FDS=1", []int{3}, ""},
		{"LISTEN_FDS=2", []int{3, 5}, listen},
		{"LISTEN_FDS=2", []int{3, 4, 5}, ""},
		{"LISTEN_FDS=2000000000", []int{3, 4, 5}, listen},
		{"LISTEN_FDS=x", []int{3}, listen},
		{"LISTEN_FDS=-1", []int{3}, listen},
		{"WAYLAND_SOCKET=7 NODE_CHANNEL_FD=8 BASH_XTRACEFD=9 OTHER=10", []int{8}, "WAYLAND_SOCKET BASH_XTRACEFD"},
		{"WAYLAND_SOCKET=wayland-0 BASH_XTRACEFD=2", nil, ""},
	} {
		if got := stale(strings.Fields(c.env), c.keep); !slices.Equal(got, strings.Fields(c.want)) {
			t.Errorf("stale(%q, %v) = %q; want %q", c.env, c.keep, got, c.want)
		}
	}
}
