package landlock

import (
	"strings"
	"testing"
)

// TestClasses checks what --ro and the like grant. To connect to a socket of
// somebody's is not writing, also on a kernel that restricts it.
func TestClasses(t *testing.T) {
	const (
		read  = "read_file+read_dir"
		write = "write_file+remove_dir+remove_file+make_char+make_dir+make_reg+make_sock+make_fifo+make_block+make_sym+refer+truncate+ioctl_dev"
	)
	for flag, want := range map[string]string{
		"ro": read, "rx": "execute+" + read, "rw": read + "+" + write, "rwx": "execute+" + read + "+" + write,
	} {
		set, err := ParseAccess(want)
		if got := (Rule{Flag: flag}).access(); err != nil || got != set {
			t.Errorf("--%s grants %s; want %s, %v", flag, strings.ToLower(got.String()), want, err)
		}
	}
	if got := (Rule{Flag: "allow", Access: execute}).access(); got != execute {
		t.Errorf("--allow execute grants %s; want execute", got)
	}
}
