package template

import (
	"fmt"
	"os"
	"runtime/debug"

	"hk/internal/profile"

	"github.com/nikolalohinski/gonja/v2/logging"
	"golang.org/x/sys/unix"
)

// Main is hk-run-template(8). It returns the exit status.
func Main() int {
	if len(os.Args) != 2 || os.Args[1] == "" {
		fmt.Fprintln(os.Stderr, "hk-run-template: it is started by hk-run, with the path of a configuration file")
		return 2
	}
	logging.SetEnabled(false)
	confine()
	sources, actions, err := Render(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if _, err := os.Stdout.Write(profile.AppendRendered(nil, sources, actions)); err != nil {
		fmt.Fprintln(os.Stderr, "hk-run-template: standard output:", err)
		return 1
	}
	return 0
}

// confine keeps a template from using up the machine, and from writing to a file: anybody
// may have written it, and the engine is large.
func confine() {
	debug.SetMaxStack(64 << 20)
	for _, l := range []struct {
		resource int
		most     uint64
	}{{unix.RLIMIT_CPU, 10}, {unix.RLIMIT_DATA, 1 << 30}, {unix.RLIMIT_FSIZE, 0}, {unix.RLIMIT_CORE, 0}} {
		var now unix.Rlimit
		if unix.Getrlimit(l.resource, &now) == nil {
			most := min(l.most, now.Max)
			unix.Setrlimit(l.resource, &unix.Rlimit{Cur: most, Max: most})
		}
	}
	unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}
