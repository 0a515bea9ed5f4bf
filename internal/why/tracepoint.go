package why

import (
	"errors"
	"strings"

	"hk/internal/tracepoint"
	"hk/pkg/landlock"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// tracepoints are those of Landlock, from Linux 7.3 on, that are listened to.
var tracepoints = []string{"landlock_enforce_domain", "landlock_deny_access_fs", "landlock_deny_access_net", "landlock_deny_scope_signal", "landlock_deny_scope_abstract_unix_socket"}

// changesTopology is LANDLOCK_REQUEST_FS_CHANGE_TOPOLOGY of security/landlock/log.h, of which
// the description of the tracepoint has the number.
const changesTopology = `== 3 ? __print_flags(`

// A tracing is what Landlock's tracepoints tell, by perf_event_open(2): which process has
// entered which domain, and each denial, whatever the domain logs. Nothing of it remains when
// the descriptors are closed.
type tracing struct {
	unseen func(string)
	// formats are by the number of the tracepoint.
	formats map[uint16]tracepoint.Format
	fds     []int
	rings   []tracepoint.Ring
	// entered are the processes that have entered domains, found the denials, in order, and
	// pending those to a thread whose call has not returned.
	entered map[uint64]int
	found   []*tracedDenial
	pending map[int][]*tracedDenial
}

type tracedDenial struct {
	domain uint64
	denial
}

// newTracing is nil unless the kernel has the tracepoints, and this process may listen to them.
func newTracing(unseen func(string)) *tracing {
	t := &tracing{unseen: unseen, formats: map[uint16]tracepoint.Format{}, entered: map[uint64]int{}, pending: map[int][]*tracedDenial{}}
	for _, name := range tracepoints {
		f, err := readFormat(name)
		if err != nil {
			return nil
		}
		t.formats[f.ID] = f
	}
	for id := range t.formats {
		cpus, err := tracepoint.Online()
		if err != nil {
			return nil
		}
		fd, err := tracepoint.Open(id, -1, cpus[0], 0)
		if err != nil {
			return nil
		}
		unix.Close(fd)
		break
	}
	return t
}

func readFormat(name string) (f tracepoint.Format, err error) {
	text, err := tracepoint.Read("landlock/" + name)
	if err != nil {
		return f, err
	}
	return parseFormat(name, text)
}

// parseFormat reads the description of a tracepoint.
func parseFormat(name, text string) (tracepoint.Format, error) {
	f, err := tracepoint.Parse(name, text, "domain_id")
	if err == nil && strings.HasSuffix(name, "_fs") && !strings.Contains(text, changesTopology) {
		err = errors.New(name + " is not as known")
	}
	return f, err
}

// open starts to listen, with a buffer for each processor.
func (t *tracing) open(at plan.Context) bool {
	cpus, err := tracepoint.Online()
	for _, cpu := range cpus {
		first := -1
		for id := range t.formats {
			var fd int
			if fd, err = tracepoint.Open(id, -1, cpu, 0); err != nil {
				break
			}
			t.fds = append(t.fds, fd)
			if first >= 0 {
				err = unix.IoctlSetInt(fd, unix.PERF_EVENT_IOC_SET_OUTPUT, first)
			} else if first = fd; err == nil {
				err = t.mapRing(fd)
			}
			if err != nil {
				break
			}
		}
		if err != nil {
			break
		}
		at.Watch(&plan.Watcher{Stage: "hk-why", FD: first, Ready: func(plan.Payload) { t.drain() }})
	}
	if err != nil {
		t.close()
	}
	return err == nil
}

func (t *tracing) close() {
	for _, r := range t.rings {
		r.Close()
	}
	for _, fd := range t.fds {
		unix.Close(fd)
	}
	t.rings, t.fds = nil, nil
}

func (t *tracing) mapRing(fd int) error {
	const pages = 64
	r, err := tracepoint.NewRing(fd, pages)
	if err == nil {
		t.rings = append(t.rings, r)
	}
	return err
}

// drain reads the buffers.
func (t *tracing) drain() {
	for _, r := range t.rings {
		r.Drain(t.record)
	}
}

// record takes a record.
func (t *tracing) record(b []byte) {
	if tracepoint.Lost(b) {
		t.unseen("events of Landlock's tracepoints were lost: what it has denied otherwise than to calls that were followed is not whole")
	} else if s, ok := tracepoint.ParseSample(b, false); ok {
		t.sample(s)
	}
}

func (t *tracing) sample(s tracepoint.Sample) {
	f := t.formats[s.ID()]
	domain, ok := f.Number(s.Raw, "domain_id")
	const most = 10000
	switch {
	case !ok:
	case f.Name == "landlock_enforce_domain":
		t.entered[domain] = s.PID
	case len(t.found) == most:
		t.unseen("more denials of Landlock are traced than are looked at")
	default:
		d := &tracedDenial{domain, denialIn(f, s)}
		t.found, t.pending[s.TID] = append(t.found, d), append(t.pending[s.TID], d)
	}
}

// denialIn is what a sample says.
func denialIn(f tracepoint.Format, s tracepoint.Sample) denial {
	d := denial{pid: s.PID, path: f.Text(s.Raw, "pathname"), port: -1, target: -1}
	set, _ := f.Number(s.Raw, "blockers_access")
	switch kind, _ := f.Number(s.Raw, "blockers_type"); f.Name {
	case "landlock_deny_access_fs":
		const access = 3
		if d.blockers = []string{"fs.change_topology"}; kind == access {
			d.blockers = nil
			for name := range strings.SplitSeq(landlock.Access(set).Names(), "+") {
				d.blockers = append(d.blockers, "fs."+name)
			}
		}
	case "landlock_deny_access_net":
		for i, name := range []string{"bind_tcp", "connect_tcp", "bind_udp", "connect_send_udp"} {
			if set>>i&1 != 0 {
				d.blockers = append(d.blockers, "net."+name)
			}
		}
		if port, ok := f.Number(s.Raw, "port"); ok && port <= 1<<16-1 {
			d.port = int(port)
		}
	case "landlock_deny_scope_signal":
		d.blockers = []string{"scope.signal"}
		if target, ok := f.Number(s.Raw, "target_pid"); ok {
			d.target = int(int32(target))
		}
	case "landlock_deny_scope_abstract_unix_socket":
		d.blockers = []string{"scope.abstract_unix_socket"}
	}
	return d
}

// returned notes that what was denied to a thread since its last call was denied to this one.
func (t *tracing) returned(tid int, byRing bool) {
	t.drain()
	for _, d := range t.pending[tid] {
		d.call = !byRing
	}
	delete(t.pending, tid)
}

// denials are those of the domains that a process has entered.
func (t *tracing) denials(pid int) (list []denial) {
	t.drain()
	t.close()
	for _, d := range t.found {
		if by, ok := t.entered[d.domain]; ok && by == pid {
			list = append(list, d.denial)
		}
	}
	return list
}
