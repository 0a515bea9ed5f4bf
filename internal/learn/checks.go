package learn

import (
	"os"
	"slices"
	"strconv"

	"hk/internal/tracepoint"

	"golang.org/x/sys/unix"
)

// unaudited are functions of the kernel that check a capability which is then not taken to be
// used, and is not audited: whether memory may be reserved beyond a limit, and what is shown
// of other processes.
var unaudited = []string{"security_vm_enough_memory_mm", "cap_vm_enough_memory", "__vm_enough_memory", "ns_capable_noaudit", "has_capability_noaudit",
	"has_ns_capability_noaudit", "ptracer_capable"}

// executing are those that execute a program.
var executing = []string{"do_execveat_common", "bprm_execve", "__x64_sys_execve", "__x64_sys_execveat", "__arm64_sys_execve", "__arm64_sys_execveat"}

// checks are what the kernel tells of each check of a capability, by a tracepoint of Linux
// 6.14: to root, if tracefs is mounted. The events of a thread are in a buffer of its own, so
// that those which are there when a call returns are those of the call.
type checks struct {
	format           tracepoint.Format
	quiet, executing []tracepoint.Span
	rings            map[int]tracepoint.Ring
	// lost is set once something was not told.
	lost bool
}

// A check is one that was passed by a capability of the thread's user namespace, or that an
// ordinary privilege would not have passed.
type check struct {
	capability int
	// executes is set if it was made to execute a program.
	executes bool
}

// newChecks is nil unless the kernel tells of checks.
func newChecks() *checks {
	const name = "capability/cap_capable"
	text, err := tracepoint.Read(name)
	if err != nil {
		return nil
	}
	format, err := tracepoint.Parse(name, text, "target_ns", "capable_ns", "cap", "ret")
	if err != nil {
		return nil
	}
	spans, err := tracepoint.Spans(slices.Concat(unaudited, executing))
	if err != nil {
		return nil
	}
	c := &checks{format: format, rings: map[int]tracepoint.Ring{}}
	for _, name := range unaudited {
		c.quiet = append(c.quiet, spans[name]...)
	}
	for _, name := range executing {
		c.executing = append(c.executing, spans[name]...)
	}
	if len(c.quiet) == 0 || len(c.executing) == 0 {
		return nil
	}
	return c
}

// depth is how many functions are told: execve(2) looks up the name of a program in a dozen.
const depth = 24

// listen begins to listen to a thread, with a buffer of a number of pages.
func (c *checks) listen(tid, pages int) {
	const most = 10_000
	if len(c.rings) >= most {
		c.lost = true
		return
	}
	fd, err := tracepoint.Open(c.format.ID, tid, -1, depth)
	if err != nil {
		c.lost = c.lost || err != unix.ESRCH
		return
	}
	defer unix.Close(fd) // the buffer keeps it
	ring, err := tracepoint.NewRing(fd, pages)
	if err != nil {
		c.lost = true
		return
	}
	c.end(tid)
	c.rings[tid] = ring
}

// end ends that.
func (c *checks) end(tid int) {
	if ring, ok := c.rings[tid]; ok {
		ring.Close()
		delete(c.rings, tid)
	}
}

// take takes what a thread was granted since the last time.
func (c *checks) take(tid int) (list []check) {
	ring, ok := c.rings[tid]
	if !ok {
		return nil
	}
	ring.Drain(func(record []byte) {
		if tracepoint.Lost(record) {
			c.lost = true
		} else if s, ok := tracepoint.ParseSample(record, true); ok {
			if k, ok := c.passed(s); ok && !slices.Contains(list, k) {
				list = append(list, k)
			}
		}
	})
	return list
}

// passed is the check of a sample. The owner of a user namespace below has all capabilities in
// it: that takes none.
func (c *checks) passed(s tracepoint.Sample) (k check, ok bool) {
	number := func(name string) uint64 {
		n, _ := c.format.Number(s.Raw, name)
		return n
	}
	in := func(spans []tracepoint.Span) bool {
		return slices.ContainsFunc(s.Stack, func(at uint64) bool {
			return slices.ContainsFunc(spans, func(f tracepoint.Span) bool { return f.Has(at) })
		})
	}
	if uint32(number("ret")) != 0 || number("capable_ns") != number("target_ns") || number("cap") > 63 || in(c.quiet) {
		return k, false
	}
	return check{int(number("cap")), in(c.executing)}, true
}

// userNS is the user namespace of a thread.
func userNS(tid int) string {
	ns, _ := os.Readlink("/proc/" + strconv.Itoa(tid) + "/ns/user")
	return ns
}
