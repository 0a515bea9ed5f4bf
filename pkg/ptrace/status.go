package ptrace

import (
	"os"
	"strings"
)

// A Status is what procfs says of a process or thread: proc_pid_status(5).
type Status string

// ReadStatus reads the status of a process or thread by its directory in procfs, such as
// /proc/self. The process may have ended, and another one have its number.
func ReadStatus(dir string) (Status, error) {
	b, err := os.ReadFile(dir + "/status")
	return Status(b), err
}

// Field is the words of a field, or nil if there is none of that name.
func (s Status) Field(name string) []string {
	for line := range strings.SplitSeq(string(s), "\n") {
		if v, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.Fields(v)
		}
	}
	return nil
}
