package host

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// sharesNamespace compares the names that procfs gives to namespaces.
func sharesNamespace(pid int, name string) (bool, error) {
	if err := procfs(); err != nil {
		return false, err
	}
	own, err := os.Readlink("/proc/self/ns/" + name)
	if errors.Is(err, unix.ENOENT) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	its, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, name))
	switch {
	case errors.Is(err, unix.ENOENT):
		return false, errors.New("there is no such process, or it has ended")
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return false, fmt.Errorf("the caller may not inspect process %d: see ptrace(2)", pid)
	case err != nil:
		return false, err
	}
	return own == its, nil
}
