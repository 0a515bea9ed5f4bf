package host

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// mountIn returns where something is mounted in a directory, on the mount that contains
// the directory, or "".
func mountIn(dir string) (string, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	proc := fmt.Sprintf("/proc/self/fd/%d", fd)
	b := make([]byte, unix.PathMax)
	n, err := unix.Readlink(proc, b)
	if err != nil {
		return "", err
	}
	info, err := ReadProc(strings.Replace(proc, "/fd/", "/fdinfo/", 1))
	if err != nil {
		return "", err
	}
	table, err := ReadProc("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	return firstIn(string(b[:n]), fieldOf(info, "mnt_id:"), table), nil
}

// fieldOf is the word after a name in a file of procfs.
func fieldOf(text, name string) string {
	_, rest, _ := strings.Cut(text, name)
	if f := strings.Fields(rest); len(f) > 0 {
		return f[0]
	}
	return ""
}

// firstIn finds the first mount in a mountinfo whose parent is a mount, and that is
// below a directory.
func firstIn(dir, parent, table string) string {
	for line := range strings.SplitSeq(table, "\n") {
		f := strings.Fields(line)
		if len(f) < 5 || f[1] != parent || f[0] == parent {
			continue
		}
		if p := decode(f[4]); strings.HasPrefix(p, strings.TrimSuffix(dir, "/")+"/") && p != "/" {
			return p
		}
	}
	return ""
}

// decode replaces a backslash and three octal digits by that byte.
func decode(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if c, err := strconv.ParseUint(s[i+1:min(i+4, len(s))], 8, 8); s[i] == '\\' && err == nil {
			b.WriteByte(byte(c))
			i += 3
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
