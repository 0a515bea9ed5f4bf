// Package keeper makes the cgroup of a payload, keeps it as long as the payload runs, ends
// what is left in it and removes it: cgroups(7). It is a program of its own,
// hk-cgroup-keeper(8), because it must outlive a supervisor that is killed, and because
// what it links would double the time that a stage takes to start.
package keeper

import (
	"fmt"
	"os"
	"os/signal"
	"strings"

	"hk/pkg/cause"
	"hk/pkg/getopt"
	"hk/pkg/limit"

	"golang.org/x/sys/unix"
)

// controlFD is the socket to the supervisor.
const controlFD = 3

// Main runs the keeper, and returns its exit status.
func Main() int {
	// A process of the same user that could trace it could leave the group behind.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return complain("prctl(PR_SET_DUMPABLE)", err)
	}
	signal.Ignore(unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGHUP, unix.SIGPIPE, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU)
	if kind, err := unix.GetsockoptInt(controlFD, unix.SOL_SOCKET, unix.SO_TYPE); err != nil || kind != unix.SOCK_SEQPACKET {
		fmt.Fprintln(os.Stderr, "hk-cgroup-keeper: is started by the stages of hk, not by hand: see hk-cgroup-keeper(8)")
		return 125
	}
	unix.CloseOnExec(controlFD)
	k := &keeper{control: control{controlFD}, report: -1}
	if err := k.start(os.Args[1:]); err != nil {
		k.control.send("error", string(cause.In(err))+" "+oneLine(err))
		return 1
	}
	if err := k.serve(); err != nil {
		return complain(k.group.text, err)
	}
	return 0
}

// complain says what can no longer be said by a message.
func complain(what string, err error) int {
	fmt.Fprintf(os.Stderr, "hk-cgroup-keeper: %s: %s\n", what, oneLine(err))
	return 1
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", ", ") }

// flags reads the command line: those of the group, and --report.
func flags(args []string) (c *limit.Cgroup, report int, err error) {
	c, report = &limit.Cgroup{}, -1
	var fs getopt.Flags
	c.Flags(&fs)
	fs.String("report", "", func(v string) error {
		number, ok := strings.CutPrefix(v, "fd:")
		if !ok {
			return fmt.Errorf("%q is not fd:N", v)
		}
		report, err = getopt.ParseFD(number)
		return err
	})
	rest, err := fs.Parse(args)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%q is not a flag", rest[0])
	}
	return c, report, err
}

// start makes the group and tells the supervisor that it is ready.
func (k *keeper) start(args []string) error {
	limits, report, err := flags(args)
	if err != nil {
		return err
	}
	if k.report = report; report >= 0 {
		unix.CloseOnExec(report)
	}
	parent := os.Getppid()
	if k.supervisor, err = unix.PidfdOpen(parent, 0); err != nil || os.Getppid() != parent {
		return fmt.Errorf("the supervisor has ended: %v", err)
	}
	r := &request{limits: limits, supervisor: parent}
	r.needed, r.flag = needs(limits)
	if report >= 0 {
		r.wanted = []string{"memory", "pids", "cpu", "cpuacct", "io"}
	}
	if r.owner, err = thisOwner(); err != nil {
		return err
	}
	if k.group, err = r.make(); err != nil {
		return err
	}
	fds, err := k.group.descriptors()
	if err != nil {
		k.group.remove()
		return err
	}
	k.control.send("ready", k.group.version()+" "+k.group.text, fds...)
	if k.group.version() == "v1" {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}
	return nil
}
