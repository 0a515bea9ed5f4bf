package why

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"unsafe"

	"hk/pkg/landlock"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// tracepoints are those of Landlock, from Linux 7.3 on, that are listened to.
var tracepoints = []string{"landlock_enforce_domain", "landlock_deny_access_fs", "landlock_deny_access_net", "landlock_deny_scope_signal", "landlock_deny_scope_abstract_unix_socket"}

// tracefs are the directories of their descriptions.
var tracefs = []string{"/sys/kernel/tracing/events/landlock/", "/sys/kernel/debug/tracing/events/landlock/"}

// changesTopology is LANDLOCK_REQUEST_FS_CHANGE_TOPOLOGY of security/landlock/log.h, of which
// the description of the tracepoint has the number.
const changesTopology = `== 3 ? __print_flags(`

// A tracing is what Landlock's tracepoints tell, by perf_event_open(2): which process has
// entered which domain, and each denial, whatever the domain logs. Nothing of it remains when
// the descriptors are closed.
type tracing struct {
	unseen func(string)
	// formats are by the number of the tracepoint.
	formats map[uint16]format
	fds     []int
	rings   []ring
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

// A format is the description of a tracepoint: its fields by name.
type format struct {
	name   string
	id     uint16
	fields map[string]field
}

// A field is at an offset of a sample, with a size. A string is at another one that is there.
type field struct{ offset, size int }

// newTracing is nil unless the kernel has the tracepoints, and this process may listen to them.
func newTracing(unseen func(string)) *tracing {
	t := &tracing{unseen: unseen, formats: map[uint16]format{}, entered: map[uint64]int{}, pending: map[int][]*tracedDenial{}}
	for _, name := range tracepoints {
		f, err := readFormat(name)
		if err != nil {
			return nil
		}
		t.formats[f.id] = f
	}
	for id := range t.formats {
		cpus, err := online()
		if err != nil {
			return nil
		}
		fd, err := openEvent(id, cpus[0])
		if err != nil {
			return nil
		}
		unix.Close(fd)
		break
	}
	return t
}

func readFormat(name string) (f format, err error) {
	var b []byte
	for _, dir := range tracefs {
		if b, err = os.ReadFile(dir + name + "/format"); err == nil {
			return parseFormat(name, string(b))
		}
	}
	return f, err
}

// parseFormat reads the description of a tracepoint.
func parseFormat(name, text string) (format, error) {
	f := format{name: name, fields: map[string]field{}}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if id, ok := strings.CutPrefix(line, "ID: "); ok {
			n, err := strconv.ParseUint(id, 10, 16)
			if f.id = uint16(n); err != nil {
				return f, err
			}
		}
		rest, ok := strings.CutPrefix(line, "field:")
		parts := strings.Split(rest, ";")
		if !ok || len(parts) < 3 {
			continue
		}
		offset, err := strconv.Atoi(strings.TrimPrefix(strings.TrimSpace(parts[1]), "offset:"))
		size, err2 := strconv.Atoi(strings.TrimPrefix(strings.TrimSpace(parts[2]), "size:"))
		if err := errors.Join(err, err2); err != nil || offset < 0 {
			return f, fmt.Errorf("%s: %s: %w", name, line, err)
		}
		words := strings.Fields(parts[0])
		f.fields[words[len(words)-1]] = field{offset, size}
	}
	if _, ok := f.fields["domain_id"]; !ok || f.id == 0 {
		return f, errors.New(name + " has no domain")
	}
	if strings.HasSuffix(name, "_fs") && !strings.Contains(text, changesTopology) {
		return f, errors.New(name + " is not as known")
	}
	return f, nil
}

// number is a field of a sample, or ok is false.
func (f format) number(sample []byte, name string) (n uint64, ok bool) {
	at, ok := f.fields[name]
	if !ok || at.offset+at.size > len(sample) {
		return 0, false
	}
	switch b := sample[at.offset:]; at.size {
	case 1:
		return uint64(b[0]), true
	case 4:
		return uint64(binary.NativeEndian.Uint32(b)), true
	case 8:
		return binary.NativeEndian.Uint64(b), true
	}
	return 0, false
}

// text is a field of a sample that is a string.
func (f format) text(sample []byte, name string) string {
	at, ok := f.number(sample, name)
	start, size := int(uint16(at)), int(uint32(at)>>16)
	if !ok || start+size > len(sample) {
		return ""
	}
	text, _, _ := strings.Cut(string(sample[start:start+size]), "\x00")
	return text
}

// online are the processors that are online.
func online() (list []int, err error) {
	b, err := os.ReadFile("/sys/devices/system/cpu/online")
	if err != nil {
		return nil, err
	}
	for part := range strings.SplitSeq(strings.TrimSpace(string(b)), ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, err := strconv.Atoi(first)
		to, err2 := strconv.Atoi(last)
		if err := errors.Join(err, err2); err != nil {
			return nil, err
		}
		for ; from <= to; from++ {
			list = append(list, from)
		}
	}
	return list, nil
}

func openEvent(id uint16, cpu int) (int, error) {
	attr := unix.PerfEventAttr{Type: unix.PERF_TYPE_TRACEPOINT, Config: uint64(id), Sample: 1, Wakeup: 1,
		Sample_type: unix.PERF_SAMPLE_TID | unix.PERF_SAMPLE_RAW}
	attr.Size = uint32(unsafe.Sizeof(attr))
	return unix.PerfEventOpen(&attr, -1, cpu, -1, unix.PERF_FLAG_FD_CLOEXEC)
}

// open starts to listen, with a buffer for each processor.
func (t *tracing) open(at plan.Context) bool {
	cpus, err := online()
	for _, cpu := range cpus {
		first := -1
		for id := range t.formats {
			var fd int
			if fd, err = openEvent(id, cpu); err != nil {
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
		unix.Munmap(r.mapped)
	}
	for _, fd := range t.fds {
		unix.Close(fd)
	}
	t.rings, t.fds = nil, nil
}

// A ring is the buffer of a processor.
type ring struct{ mapped []byte }

func (t *tracing) mapRing(fd int) error {
	const pages = 64
	b, err := unix.Mmap(fd, 0, (1+pages)*os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err == nil {
		t.rings = append(t.rings, ring{b})
	}
	return err
}

// drain reads the buffers.
func (t *tracing) drain() {
	for _, r := range t.rings {
		page := (*unix.PerfEventMmapPage)(unsafe.Pointer(&r.mapped[0]))
		data := r.mapped[os.Getpagesize():]
		head, tail := atomic.LoadUint64(&page.Data_head), page.Data_tail
		for head-tail >= 8 {
			record := wrapped(data, tail, 8)
			size := uint64(binary.NativeEndian.Uint16(record[6:]))
			if size < 8 || size > head-tail {
				break
			}
			t.record(wrapped(data, tail, size))
			tail += size
		}
		atomic.StoreUint64(&page.Data_tail, head)
	}
}

// wrapped are bytes of a buffer from a position on, whose end continues at its start.
func wrapped(data []byte, at, size uint64) []byte {
	b := make([]byte, size)
	n := copy(b, data[at%uint64(len(data)):])
	copy(b[n:], data)
	return b
}

// record takes a record: struct perf_event_header, and of a sample the process and the thread,
// in the PID namespace of this process, and what the tracepoint has written.
func (t *tracing) record(b []byte) {
	const header, before = 8, 8 + 8 + 4
	switch binary.NativeEndian.Uint32(b) {
	case unix.PERF_RECORD_LOST:
		t.unseen("events of Landlock's tracepoints were lost: what it has denied otherwise than to calls that were followed is not whole")
	case unix.PERF_RECORD_SAMPLE:
		if len(b) < before {
			return
		}
		pid, tid := binary.NativeEndian.Uint32(b[header:]), binary.NativeEndian.Uint32(b[header+4:])
		if size := binary.NativeEndian.Uint32(b[header+8:]); int(size) <= len(b)-before {
			t.sample(int(int32(pid)), int(int32(tid)), b[before:before+size])
		}
	}
}

func (t *tracing) sample(pid, tid int, b []byte) {
	if len(b) < 2 {
		return
	}
	f := t.formats[binary.NativeEndian.Uint16(b)]
	domain, ok := f.number(b, "domain_id")
	const most = 10000
	switch {
	case !ok:
	case f.name == "landlock_enforce_domain":
		t.entered[domain] = pid
	case len(t.found) == most:
		t.unseen("more denials of Landlock are traced than are looked at")
	default:
		d := &tracedDenial{domain, f.denial(pid, b)}
		t.found, t.pending[tid] = append(t.found, d), append(t.pending[tid], d)
	}
}

// denial is what a sample says.
func (f format) denial(pid int, b []byte) denial {
	d := denial{pid: pid, path: f.text(b, "pathname"), port: -1, target: -1}
	set, _ := f.number(b, "blockers_access")
	switch kind, _ := f.number(b, "blockers_type"); f.name {
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
		if port, ok := f.number(b, "port"); ok && port <= 1<<16-1 {
			d.port = int(port)
		}
	case "landlock_deny_scope_signal":
		d.blockers = []string{"scope.signal"}
		if target, ok := f.number(b, "target_pid"); ok {
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
