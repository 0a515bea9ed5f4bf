package chain

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// self is the program of this process, whatever its file's name leads to.
const self = "/proc/self/exe"

// again adds the ops by which this program executes itself from a sealed copy
// in memory, if a stage lets others at it.
//
// Who controls what the chain executes can make that a link to /proc/self/exe,
// and so this program; open it through /proc/PID/exe; and write it once nobody
// executes it, which needs no more than the user ID of the file's owner
// (CVE-2019-5736). The copy does all that comes behind these ops, and plans it
// anew.
func (t *tail) again(c *Chain, links []Link) error {
	i := slices.IndexFunc(links, func(l Link) bool {
		e, ok := l.Stage.(stage.Exposer)
		return ok && e.Exposes()
	})
	if i < 0 {
		return nil
	}
	t.exposed = true
	t.Name = links[i].Kind.Name
	if err := t.Host.Procfs(); err != nil {
		return &UsageError{t.Name, err}
	}
	p, err := t.Host.Program()
	switch {
	case err != nil:
		return &UsageError{t.Name, err}
	case p.Fixed:
		return nil
	case t.Host.Handover.Program != "":
		return &UsageError{t.Name, errors.New("this should be a sealed copy of the program, and is not")}
	}
	t.Again = true
	t.Add(plan.Sigmask(^uint64(0)), plan.DefaultAction(unix.SIGURG))
	_, err = t.Host.Stat("/proc/sys/vm/memfd_noexec")
	exe := t.Open("exe", plan.Openat(plan.AtCwd(), self, unix.O_RDONLY|unix.O_CLOEXEC, 0))
	sealed := t.Open("copy", plan.MemfdCreate(t.Name, err == nil))
	t.Add(plan.Sendfile(sealed, exe, p.Size), plan.Seal(sealed))
	if fd := c.Settings().StatusFD; fd > 2 {
		t.Add(plan.KeepOpen(plan.Int(int64(fd))))
	}
	h := t.Host.Handover
	by := plan.Ref(sealed)
	if t.Host.SelfFD >= 0 {
		t.Add(plan.Dup3(sealed, t.Host.SelfFD))
		by = plan.Int(int64(t.Host.SelfFD))
	} else {
		h.Program = p.Path
	}
	env := slices.Clone(t.Host.Env)
	if v := h.Variable(); v != "" {
		env = append(env, v)
	}
	words := links[0].words
	if c.Settings().Explain != "" {
		// Printed is what is done without that.
		words = slices.DeleteFunc(slices.Clone(words), func(w string) bool {
			return w == "--explain" || strings.HasPrefix(w, "--explain=")
		})
	}
	t.restore()
	t.Add(plan.Fexecve(by, plan.NewImage(words, env)).
		Hint(unix.EACCES, fmt.Sprintf("files in memory cannot be executed here; %s from a read-only mount needs no copy", t.Name)))
	return nil
}
