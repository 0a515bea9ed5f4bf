package host

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAuditText(t *testing.T) {
	for _, c := range []struct {
		status  auditStatus
		err     error
		cmdline string
		want    string
	}{
		{err: unix.EPROTONOSUPPORT, cmdline: "quiet audit=0", want: "no record is written: audit=0 is on"},
		{err: unix.EPROTONOSUPPORT, cmdline: "quiet audit=off", want: "no record is written: audit=0 is on"},
		{err: unix.EPROTONOSUPPORT, want: "no record is written: this kernel was built without CONFIG_AUDIT"},
		{err: unix.EPERM, cmdline: "xaudit=1", want: "whether audit is enabled is told only to"},
		{err: unix.ECONNREFUSED, cmdline: "audit=1", want: "audit=1 is on the kernel's command line; whether"},
		{want: "no record is written: audit is not enabled; auditctl -e 1"},
		{status: auditStatus{enabled: 1}, want: "no audit daemon is running, so records are in the kernel's log"},
		{status: auditStatus{enabled: 2, pid: 7}, want: "records are in the log of the audit daemon"},
	} {
		if got := auditText(c.status, c.err, strings.Fields(c.cmdline)); !strings.HasPrefix(got, c.want) {
			t.Errorf("auditText(%+v, %v, %q) = %q; want %q", c.status, c.err, c.cmdline, got, c.want)
		}
	}
}

// TestReadAudit asks this kernel, which answers, or refuses.
func TestReadAudit(t *testing.T) {
	status, err := readAudit()
	switch err {
	case nil:
		if status.enabled > 2 {
			t.Errorf("readAudit() = %+v; want enabled 0, 1 or 2", status)
		}
	case unix.EPERM, unix.ECONNREFUSED, unix.EPROTONOSUPPORT:
	default:
		t.Errorf("readAudit(): %v", err)
	}
	t.Log(audit())
}
