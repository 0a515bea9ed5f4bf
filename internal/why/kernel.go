package why

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"hk/pkg/landlock"
	"hk/pkg/plan"
	"hk/pkg/ptrace"

	"golang.org/x/sys/unix"
)

// A denial is one of a Landlock domain, as the kernel tells it.
type denial struct {
	// pid is the process that it was denied, or 0.
	pid int
	// blockers are what was missing, with the kernel's names: fs.make_dir, net.bind_tcp,
	// scope.signal.
	blockers []string
	// path is the file or the directory, from the root of the process, port that of a
	// socket, and target the process that was to be reached; "" and -1 if they are not told.
	path         string
	port, target int
	// call is set if it was denied to a system call that a tracer sees: not to one that starts
	// what a ring has to do.
	call bool
}

// A place is a path and the rights on it that a reason is about.
type place struct {
	path   string
	rights landlock.Access
}

// A teller is a way in which the kernel tells of denials.
type teller interface {
	// open starts to listen, in the supervisor, and has it watch what is heard.
	open(at plan.Context) bool
	// returned is called when a call of a thread returns, which starts what a ring has to do
	// or not.
	returned(tid int, byRing bool)
	// denials ends it, and returns the denials of the domains that a process has entered.
	denials(pid int) []denial
}

// A kernelAccount is what the kernel tells of the denials of the chain's domains, besides what
// the tracer sees.
type kernelAccount struct {
	// from is nil if the kernel tells nothing, and heard is set once it is listened to.
	from  teller
	heard bool
	// logs is set if a domain must log what is told.
	logs bool
	// child is the process that has performed the plan, and become the payload.
	child int
	// places are those of what was told, and said are its texts.
	places []place
	said   map[string]bool
}

// askKernel prepares for the denials that the kernel tells of, if it does, before the plan is
// made.
func (f *follower) askKernel() {
	const first = "pid:[4026531836]" // PROC_PID_INIT_INO: other numbers are told than this process sees
	if ns, err := os.Readlink("/proc/self/ns/pid"); f.each != nil || err != nil || ns != first {
		return
	}
	f.kernel.said = map[string]bool{}
	if t := newTracing(f.notSeen); t != nil {
		f.kernel.from = t
	} else if a := newAudit(f.notSeen); a != nil {
		f.kernel.from, f.kernel.logs = a, true
	}
}

// hears starts to listen, in the supervisor, and watches what is heard.
func (f *follower) hears(at plan.Context) {
	f.kernel.heard = f.kernel.from != nil && f.kernel.from.open(at)
}

// rings says what is not seen of io_uring.
func (k *kernelAccount) rings() string {
	if k.heard {
		return "io_uring is used: of what it does, only the denials of Landlock are seen"
	}
	return usesRing
}

// noted notes what was told, which the kernel may tell too.
func (f *follower) noted(r reason) {
	if f.kernel.heard && r.class == byLandlock {
		f.kernel.places, f.kernel.said[r.what] = append(f.kernel.places, r.places...), true
	}
}

// addKernel tells at the end of the denials that were not seen.
func (f *follower) addKernel() {
	if !f.kernel.heard {
		return
	}
	for _, d := range f.kernel.from.denials(f.kernel.child) {
		for _, r := range f.deniedBy(d) {
			if !f.kernel.has(d, r) {
				f.tellDenial(d, r)
			}
		}
	}
}

// returned is called for each call that was followed when it returns.
func (k *kernelAccount) returned(tid int, c ptrace.Call) {
	if k.heard {
		k.from.returned(tid, nameOf(c) == "io_uring_enter")
	}
}

// has reports whether a reason was told: one about the same path and, unless it was a call that
// was followed, about one of the rights. A call can lack several, of which one is told.
func (k *kernelAccount) has(d denial, r reason) bool {
	for _, p := range r.places {
		for _, old := range k.places {
			if old.path == p.path && (d.call || old.rights&p.rights != 0) {
				return true
			}
		}
	}
	return k.said[r.what]
}

// deniedBy are the reasons of a denial: those of the plan or, if that has none, the kernel's own.
func (s *subject) deniedBy(d denial) (list []reason) {
	var rights landlock.Access
	for _, b := range d.blockers {
		kind, name, _ := strings.Cut(b, ".")
		switch right, err := landlock.ParseAccess(name); {
		case b == "fs.change_topology":
			list = append(list, s.mounting("mount")...)
		case kind == "fs" && err == nil:
			rights |= right
		case kind == "net":
			list = append(list, s.deniedPort(name, d.port)...)
		case b == "scope.signal":
			list = append(list, s.scoped(unix.LANDLOCK_SCOPE_SIGNAL, fmt.Sprintf("process %d is outside the domain", d.target))...)
		case b == "scope.abstract_unix_socket":
			list = append(list, s.scoped(unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET, "the abstract socket of a process outside the domain")...)
		}
	}
	if rights != 0 && d.path != "" {
		list = append(list, s.need(d.path, rights, false)...)
	}
	if list != nil {
		return list
	}
	what := "a domain of the chain denies " + strings.Join(d.blockers, ", ")
	if d.path != "" {
		what += " on " + d.path
	}
	return []reason{{class: byLandlock, verdict: denied, what: what, places: []place{{d.path, rights}}}}
}

// deniedPort is the reason for a right on a port.
func (s *subject) deniedPort(name string, port int) (list []reason) {
	if port < 0 {
		return nil
	}
	q := question{kind: "connect", port: uint16(port), udp: strings.HasSuffix(name, "_udp")}
	if strings.HasPrefix(name, "bind_") {
		q.kind = "bind"
	}
	for _, r := range s.ports(q) {
		if r.class == byLandlock {
			r.question = q
			list = append(list, r)
		}
	}
	return list
}

// tellDenial tells of a denial.
func (f *follower) tellDenial(d denial, r reason) {
	what := strings.Join(d.blockers, ", ")
	if d.path != "" {
		what += " " + strconv.Quote(d.path)
	}
	call := what + ", of which the kernel tells"
	key := string(r.class) + ": " + call + ": " + r.what
	if seen := f.told[key]; seen != nil {
		seen.Times++
		return
	}
	q := r.question
	if q.kind == "" {
		q = question{kind: "kernel", denial: &d}
	}
	r = f.confirmed(q, r)
	told := &refusal{Refused: refused(call, r), Times: 1, line: string(r.class) + ": " + call + ": " + r.text()}
	f.told[key] = told
	f.order = append(f.order, told)
	e, text := event{Event: "refused", PID: d.pid, Refused: &told.Refused}, told.line
	if d.pid > 0 {
		text += " (PID " + strconv.Itoa(d.pid) + ")"
	}
	f.happens(text, e)
}
