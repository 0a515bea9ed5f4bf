package why

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"hk/pkg/host"
	"hk/pkg/landlock"
	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// Types of records of linux/audit.h, and its multicast group.
const (
	auditSyscall  = 1300
	auditListener = 1335
	auditRing     = 1336
	auditAccess   = 1423
	auditDomain   = 1424

	auditReadLog = 1
)

// auditABI is the Landlock ABI from which on denials are audited.
const auditABI = 7

// auditWait is how long the records of what has happened may take.
const auditWait = 3 * time.Second

// An audit is what the kernel's audit says, to those who listen to its multicast group, about
// the denials of Landlock: AUDIT_LANDLOCK_ACCESS, with the ID of a domain, and
// AUDIT_LANDLOCK_DOMAIN, once for each domain, with the process that has entered it. The
// records of one event have the same number; that of a call or of io_uring has the process.
type audit struct {
	fd     int
	unseen func(string)
	// found are the denials by domain and event, in order.
	found []*audited
	// creators are the processes that have entered the domains.
	creators map[string]creator
	// reached is set once all records before the second listener have been read.
	reached bool
}

// audited is a denial, its domain and the event.
type audited struct {
	domain, event string
	denial
}

// A creator is the process that has entered a domain, and its name.
type creator struct {
	pid  int
	comm string
}

// newAudit is nil unless audit is enabled and this process can hear it. Denials are sent only
// to the initial network namespace.
func newAudit(unseen func(string)) *audit {
	if host.Landlock(auditABI).Check() != nil || !host.AuditEnabled() {
		return nil
	}
	return &audit{fd: -1, unseen: unseen, creators: map[string]creator{}}
}

// logged is a stage whose domain is audited after execve(2) too, unless it says what is.
func (k *kernelAccount) logged(s stage.Stage) stage.Stage {
	r, ok := s.(*landlock.Ruleset)
	if !k.logs || !ok || r.Log != "" || r.Learn != "" || r.Support {
		return s
	}
	loud := *r
	loud.Log = "exec"
	return &loud
}

// open starts to listen. The kernel writes a record of that too.
func (a *audit) open(at plan.Context) bool {
	fd, err := listen()
	if err != nil {
		return false
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 1<<20)
	a.fd = fd
	at.Watch(&plan.Watcher{Stage: "hk-why", FD: fd, Ready: func(plan.Payload) { a.drain() }})
	return true
}

// returned does nothing: the records say what a denial was for.
func (*audit) returned(int, bool) {}

func listen() (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_AUDIT)
	if err != nil {
		return -1, err
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: auditReadLog}); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// drain reads what has been sent.
func (a *audit) drain() {
	b := make([]byte, 16<<10)
	for {
		n, from, err := unix.Recvfrom(a.fd, b, 0)
		switch {
		case err == unix.EINTR:
		case err == unix.ENOBUFS:
			a.unseen("audit records were lost: what Landlock has denied otherwise than to calls that were followed is not whole")
		case err != nil:
			return
		case n >= unix.SizeofNlMsghdr && fromKernel(from):
			a.record(binary.NativeEndian.Uint16(b[4:]), b[unix.SizeofNlMsghdr:n])
		}
	}
}

// fromKernel reports whether a message is not from another process.
func fromKernel(from unix.Sockaddr) bool {
	nl, ok := from.(*unix.SockaddrNetlink)
	return ok && nl.Pid == 0
}

// record takes a record: audit(TIME:NUMBER): NAME=VALUE ...
func (a *audit) record(kind uint16, text []byte) {
	head, rest, ok := strings.Cut(string(bytes.TrimRight(text, "\x00\n")), "): ")
	event, isRecord := strings.CutPrefix(head, "audit(")
	if !ok || !isRecord {
		return
	}
	fields := auditFields(rest)
	pid, _ := strconv.Atoi(fields["pid"])
	switch kind {
	case auditSyscall, auditRing:
		for _, d := range slices.Backward(a.found) {
			if d.event == event {
				d.pid, d.call = pid, kind == auditSyscall && fields["syscall"] != strconv.Itoa(unix.SYS_IO_URING_ENTER)
			}
		}
	case auditListener:
		a.reached = a.reached || fields["op"] == "disconnect" && pid == os.Getpid()
	case auditAccess:
		const most = 10000
		if len(a.found) == most {
			a.unseen("more denials of Landlock are audited than are looked at")
			return
		}
		a.found = append(a.found, &audited{fields["domain"], event, denialOf(fields)})
	case auditDomain:
		if fields["status"] == "allocated" {
			a.creators[fields["domain"]] = creator{pid, fields["comm"]}
		}
	}
}

// auditFields are the fields of a record. A value in quotes has no blanks, and one with other
// characters is in hexadecimal.
func auditFields(text string) map[string]string {
	fields := map[string]string{}
	for _, word := range strings.Fields(text) {
		name, value, _ := strings.Cut(word, "=")
		quoted := strings.HasPrefix(value, `"`)
		switch value = strings.Trim(value, `"`); name {
		case "path", "comm", "ocomm":
			if b, err := hex.DecodeString(value); !quoted && err == nil {
				value = string(b)
			}
		}
		if _, twice := fields[name]; !twice {
			fields[name] = value
		}
	}
	return fields
}

// denialOf is what a record of a denial says.
func denialOf(fields map[string]string) denial {
	d := denial{blockers: strings.Split(fields["blockers"], ","), path: fields["path"], port: -1, target: -1}
	for _, name := range []string{"dest", "src"} {
		if n, err := strconv.Atoi(fields[name]); err == nil && d.port < 0 {
			d.port = n
		}
	}
	if n, err := strconv.Atoi(fields["opid"]); err == nil {
		d.target = n
	}
	return d
}

// denials are those of the domains that a process has entered. They are read until the record
// of another listener, which comes after them.
func (a *audit) denials(pid int) (list []denial) {
	defer unix.Close(a.fd)
	if fd, err := listen(); err == nil {
		unix.Close(fd)
	}
	for deadline := time.Now().Add(auditWait); ; {
		a.drain()
		left := time.Until(deadline)
		if a.reached || left <= 0 {
			break
		}
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(a.fd), Events: unix.POLLIN}}, int(left.Milliseconds())+1)
	}
	if !a.reached {
		a.unseen(fmt.Sprintf("audit is enabled, and its records do not arrive within %v: what Landlock has denied otherwise than to calls that were followed is not seen", auditWait))
	}
	return a.of(pid)
}

// of are the denials of the domains that a process has entered, which had the name of this
// process then: an older domain, of a process that had the same number, need not.
func (a *audit) of(pid int) (list []denial) {
	comm, err := os.ReadFile("/proc/self/comm")
	for _, d := range a.found {
		if c := a.creators[d.domain]; err == nil && c.pid == pid && c.comm == strings.TrimSuffix(string(comm), "\n") {
			list = append(list, d.denial)
		}
	}
	return list
}
