package host

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// Beside returns the path of a regular file that is installed with this program: in its
// directory or, below the same prefix, in other. bits are those of its mode of which one
// must be set; 0 stands for any mode.
func (h *Host) Beside(name, other string, bits fs.FileMode) (string, error) {
	program := h.Handover.Program
	if program == "" {
		self, err := h.Program()
		if err != nil {
			return "", err
		}
		if program = self.Path; InMemory(program) {
			return "", fmt.Errorf("%s, which is looked for beside this program: that is a copy in memory, and in this root it is not known of what", name)
		}
	}
	dir := filepath.Dir(program)
	for _, path := range []string{filepath.Join(dir, name), filepath.Join(filepath.Dir(dir), other, name)} {
		if mode, err := h.Stat(path); err == nil && mode.IsRegular() && (bits == 0 || mode&bits != 0) {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s, which is neither in %s nor in ../%s beside it", name, dir, other)
}

// InMemory reports whether the path of a program, as /proc/PID/exe has it, is that of a file
// in memory.
func InMemory(path string) bool { return strings.HasPrefix(path, "/memfd:") }
