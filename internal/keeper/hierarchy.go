package keeper

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"hk/pkg/cause"
)

// A hierarchy is a tree of cgroups in which this process has a place.
type hierarchy struct {
	v2 bool
	// controllers are those of version 1 that are bound to it.
	controllers []string
	// own is the cgroup of this process, as /proc/self/cgroup has it.
	own string
	// mounts are where it can be reached.
	mounts []mount
}

// A mount is a line of mountinfo of a cgroup file system.
type mount struct {
	point, root string
	v2          bool
	options     []string
}

// hierarchies reads those of this process.
func hierarchies() ([]*hierarchy, error) {
	cgroup, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	list, err := parseCgroups(string(cgroup))
	if err != nil {
		return nil, err
	}
	mounts := parseMounts(string(info))
	for _, h := range list {
		for _, m := range mounts {
			if h.isMount(m) {
				h.mounts = append(h.mounts, m)
			}
		}
	}
	return list, nil
}

// parseCgroups reads /proc/PID/cgroup, which has a line ID:CONTROLLERS:PATH for each
// hierarchy: cgroups(7). Those without a controller, such as name=systemd, are left out.
func parseCgroups(text string) ([]*hierarchy, error) {
	var list []*hierarchy
	for line := range strings.Lines(text) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(fields) != 3 || !strings.HasPrefix(fields[2], "/") {
			return nil, fmt.Errorf("/proc/self/cgroup: %q is not ID:CONTROLLERS:PATH", line)
		}
		h := &hierarchy{own: fields[2]}
		switch {
		case fields[0] == "0" && fields[1] == "":
			h.v2 = true
		case fields[1] == "" || strings.HasPrefix(fields[1], "name="):
			continue
		default:
			h.controllers = strings.Split(fields[1], ",")
		}
		list = append(list, h)
	}
	return list, nil
}

// parseMounts reads the mounts of cgroup file systems from mountinfo: proc(5).
func parseMounts(text string) []mount {
	var list []mount
	for line := range strings.Lines(text) {
		before, after, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " - ")
		fields, super := strings.Split(before, " "), strings.Split(after, " ")
		if !ok || len(fields) < 6 || len(super) < 3 || super[0] != "cgroup" && super[0] != "cgroup2" {
			continue
		}
		list = append(list, mount{point: unescape(fields[4]), root: unescape(fields[3]),
			v2: super[0] == "cgroup2", options: strings.Split(super[2], ",")})
	}
	return list
}

// unescape replaces \040 and the like, as the kernel writes spaces.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func (h *hierarchy) isMount(m mount) bool {
	if h.v2 || m.v2 {
		return h.v2 && m.v2
	}
	for _, c := range h.controllers {
		if !slices.Contains(m.options, c) {
			return false
		}
	}
	return true
}

// at is where a cgroup, named as in /proc/self/cgroup, is below a mount, if it is.
func (m mount) at(cgroup string) (string, bool) {
	if strings.HasPrefix(cgroup, "/..") || strings.HasPrefix(m.root, "/..") {
		return "", false // outside the cgroup namespace
	}
	root := strings.TrimSuffix(m.root, "/")
	rest, ok := strings.CutPrefix(cgroup, root)
	if !ok || rest != "" && rest[0] != '/' {
		return "", false
	}
	return path.Join(m.point, rest), true
}

// unseen is the error if the hierarchy is mounted nowhere, or only other parts of it are.
func (h *hierarchy) unseen() error {
	return cause.Because(cause.CgroupMount, fmt.Errorf("the cgroup %s of this process is not below any mount point", h.own))
}

// openOwn opens the cgroup of this process, and says where its mount is. That the process
// is in it shows that the mount is of this hierarchy and not covered by another.
func (h *hierarchy) openOwn() (*dir, string, error) {
	pid := strconv.Itoa(os.Getpid())
	reason := h.unseen()
	for _, m := range slices.Backward(h.mounts) {
		p, ok := m.at(h.own)
		if !ok {
			continue
		}
		d, err := openDir(p)
		if err != nil {
			reason = err
			continue
		}
		if slices.Contains(d.words("cgroup.procs"), pid) {
			return d, m.point, nil
		}
		d.close()
		reason = fmt.Errorf("%s: is not the cgroup of this process", p)
	}
	return nil, "", reason
}

// cgroupOf is the cgroup of a process in the hierarchy of version 2.
func cgroupOf(pid int) (string, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return "", err
	}
	for line := range bytes.Lines(b) {
		if p, ok := bytes.CutPrefix(bytes.TrimSuffix(line, []byte("\n")), []byte("0::")); ok {
			return string(p), nil
		}
	}
	return "", fmt.Errorf("/proc/%d/cgroup: has no cgroup of version 2", pid)
}
