package chain

import (
	"errors"
	"strings"

	"hk/pkg/plan"
	"hk/pkg/run"

	"golang.org/x/sys/unix"
)

// refusedInside reports whether a filter refuses a call that the kernel makes only with a
// capability over the namespace. It is made in new namespaces, by a process that has all
// capabilities there, with arguments about which no security module is asked.
func refusedInside(name string, errno unix.Errno) bool {
	p := plan.New()
	p.Add("hk", plan.Dumpable(false))
	p.Clone("hk", unix.CLONE_NEWUSER|unix.CLONE_NEWNS|unix.CLONE_NEWUTS, true)
	const nowhere = "/nonexistent/hk"
	none := p.Open("hk", "none", plan.Openat2(plan.AtCwd(), nowhere, unix.O_PATH, 0, 0).Tolerate(unix.ENOENT))
	switch name {
	case "fsopen":
		p.Add("hk", plan.Fsopen("tmpfs"))
	case "fsmount":
		p.Add("hk", plan.Fsmount(none, 0))
	case "move_mount":
		p.Add("hk", plan.MoveMount(none, plan.AtCwd(), nowhere))
	case "pivot_root":
		p.Add("hk", plan.PivotRoot(nowhere, nowhere))
	case "sethostname":
		p.Add("hk", plan.Sethostname("hk"))
	case "setdomainname":
		p.Add("hk", plan.Setdomainname("hk"))
	default:
		return false
	}
	p.Add("hk", plan.Chdir(nowhere)) // which fails
	return failsWith(p, name, errno)
}

// failsWith performs a plan with a clone, and reports whether it is that call which fails, with
// that errno.
func failsWith(p *plan.Plan, name string, errno unix.Errno) bool {
	c, err := run.Start(p, run.Attr{})
	if err == nil {
		err = c.Setup()
		c.End()
		c.Close()
	}
	var e *plan.Error
	return errors.As(err, &e) && e.Errno == errno && strings.HasPrefix(e.Op, name+"(")
}
