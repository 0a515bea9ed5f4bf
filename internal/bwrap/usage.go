package bwrap

import (
	"os"
	"strings"

	"hk/pkg/getopt"
)

// usage is the text of --help, with the name under which the program was called.
func usage() string { return "usage: " + os.Args[0] + Usage }

// Usage is the text of --help without the name of the program.
const Usage = ` [OPTIONS...] [--] COMMAND [ARGS...]
 --unshare-all  --unshare-user  --unshare-user-try  --unshare-ipc  --unshare-pid
 --unshare-net  --unshare-uts  --unshare-cgroup  --unshare-cgroup-try  --share-net
 --userns FD  --userns2 FD  --pidns FD  --disable-userns  --assert-userns-disabled
 --uid UID  --gid GID  --hostname NAME  --cap-add CAP  --cap-drop CAP
 --chdir DIR  --setenv VAR VALUE  --unsetenv VAR  --clearenv  --argv0 VALUE
 --new-session  --die-with-parent  --as-pid-1  --lock-file DEST  --sync-fd FD
 --block-fd FD  --userns-block-fd FD  --info-fd FD  --json-status-fd FD
 --seccomp FD  --add-seccomp-fd FD  --exec-label LABEL  --file-label LABEL
 --args FD  --level-prefix  --not-a-security-boundary  --help  --version
The root, in this order
 --bind SRC DEST  --bind-try SRC DEST  --bind-fd FD DEST
 --dev-bind SRC DEST  --dev-bind-try SRC DEST
 --ro-bind SRC DEST  --ro-bind-try SRC DEST  --ro-bind-fd FD DEST
 --proc DEST  --dev DEST  --tmpfs DEST  --mqueue DEST  --remount-ro DEST
 --dir DEST  --symlink TEXT DEST  --chmod OCTAL DEST
 --file FD DEST  --bind-data FD DEST  --ro-bind-data FD DEST
 --overlay-src SRC  --overlay SRC WORK DEST  --tmp-overlay DEST  --ro-overlay DEST
 --perms OCTAL  --size BYTES  of what comes next
Besides
 --print  --explain[=text|json|why|diff]  --why  --verbose  --deny-tiocsti
These are the options of bubblewrap 0.13. See hk-bwrap(1).
`

// Flags adds the options to fs, for completions. Of several arguments it has the first.
func Flags(fs *getopt.Flags) {
	for _, o := range options() {
		switch {
		case strings.Contains(o.name, "="):
		case o.name == "explain":
			fs.Optional(o.name, "text", func(string) error { return nil })
		case o.args == 0:
			fs.Bool(o.name, "", new(bool))
		default:
			fs.String(o.name, "", func(string) error { return nil })
		}
	}
}
