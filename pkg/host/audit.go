package host

import (
	"errors"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// auditGet is AUDIT_GET of linux/audit.h.
const auditGet = 1000

// An auditStatus is the beginning of struct audit_status of linux/audit.h.
type auditStatus struct{ mask, enabled, failure, pid uint32 }

// audit says where the kernel writes audit records, or why it writes none, as far as this
// process may know.
func audit() string {
	line, _ := ReadProc("/proc/cmdline")
	status, err := readAudit()
	return auditText(status, err, strings.Fields(line))
}

func auditText(status auditStatus, err error, cmdline []string) string {
	off := slices.Contains(cmdline, "audit=0") || slices.Contains(cmdline, "audit=off")
	on := slices.Contains(cmdline, "audit=1") || slices.Contains(cmdline, "audit=on")
	switch {
	case errors.Is(err, unix.EPROTONOSUPPORT) && off:
		return "no record is written: audit=0 is on the kernel's command line"
	case errors.Is(err, unix.EPROTONOSUPPORT):
		return "no record is written: this kernel was built without CONFIG_AUDIT"
	case err != nil && on:
		return "audit=1 is on the kernel's command line; whether audit is still enabled is told only to a process with CAP_AUDIT_CONTROL in the initial user and PID namespaces"
	case err != nil:
		return "whether audit is enabled is told only to a process with CAP_AUDIT_CONTROL in the initial user and PID namespaces; without it no record is written: auditctl -s shows it"
	case status.enabled == 0:
		return "no record is written: audit is not enabled; auditctl -e 1, or audit=1 on the kernel's command line, enables it"
	case status.pid == 0:
		return "no audit daemon is running, so records are in the kernel's log: dmesg"
	}
	return "records are in the log of the audit daemon: ausearch -m LANDLOCK_ACCESS"
}

// AuditEnabled reports whether the kernel writes audit records, and this process is told so:
// that takes CAP_AUDIT_CONTROL in the initial user and PID namespaces.
func AuditEnabled() bool {
	status, err := readAudit()
	return err == nil && status.enabled != 0
}

// readAudit asks the kernel by netlink(7). The error is EPROTONOSUPPORT if it has no audit.
func readAudit() (status auditStatus, err error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_AUDIT)
	if err != nil {
		return status, err
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 1}); err != nil {
		return status, err
	}
	ask := unix.NlMsghdr{Len: unix.SizeofNlMsghdr, Type: auditGet, Flags: unix.NLM_F_REQUEST | unix.NLM_F_ACK, Seq: 1}
	b := unsafe.Slice((*byte)(unsafe.Pointer(&ask)), unix.SizeofNlMsghdr)
	if err := unix.Sendto(fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return status, err
	}
	for range 4 { // the acknowledgement may come first
		var answer struct {
			unix.NlMsghdr
			auditStatus
			rest [4096]byte
		}
		n, _, err := unix.Recvfrom(fd, unsafe.Slice((*byte)(unsafe.Pointer(&answer)), unsafe.Sizeof(answer)), 0)
		switch {
		case err != nil:
			return status, err
		case n < unix.SizeofNlMsghdr+int(unsafe.Sizeof(status)):
			return status, unix.EBADMSG
		case answer.Type == auditGet:
			return answer.auditStatus, nil
		case answer.Type == unix.NLMSG_ERROR && int32(answer.mask) < 0: // -errno comes first
			return status, unix.Errno(-int32(answer.mask))
		}
	}
	return status, unix.EBADMSG
}
