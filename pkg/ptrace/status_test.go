package ptrace

import (
	"os"
	"slices"
	"strconv"
	"testing"
)

// TestStatus reads that of this process, and one in which the names are parts of others.
func TestStatus(t *testing.T) {
	s, err := ReadStatus("/proc/self")
	if got := s.Field("Tgid"); err != nil || !slices.Equal(got, []string{strconv.Itoa(os.Getpid())}) {
		t.Errorf("ReadStatus(/proc/self) has Tgid %v, %v", got, err)
	}
	if s, err := ReadStatus("/proc/0"); err == nil || s.Field("Tgid") != nil {
		t.Errorf("ReadStatus(/proc/0) = %q, %v", s, err)
	}
	s = "Name:\tPid:\nTracerPid:\t7\nNStgid:\t8\t1\nGroups:\t\nPid:\t9\n"
	for name, want := range map[string][]string{"Pid": {"9"}, "TracerPid": {"7"}, "NStgid": {"8", "1"}, "Groups": {}, "Tgid": nil} {
		if got := s.Field(name); !slices.Equal(got, want) || (got == nil) != (want == nil) {
			t.Errorf("Field(%q) = %q; want %q", name, got, want)
		}
	}
}
