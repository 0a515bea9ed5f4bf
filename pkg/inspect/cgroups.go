package inspect

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"hk/pkg/host"

	"golang.org/x/sys/unix"
)

// limitFiles are the files of control groups that are limits, of version 2 and of
// version 1.
var limitFiles = [...]string{"memory.max", "memory.high", "memory.low", "memory.min", "memory.swap.max", "memory.oom.group", "pids.max", "cpu.max",
	"cpu.weight", "cpuset.cpus", "cpuset.mems", "io.max", "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.soft_limit_in_bytes",
	"cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.shares"}

// readCgroups reads the section. The limits are found by the mounts of this process, which
// need not show the group of another one.
func (r *Report) readCgroups(p *process) {
	text, err := p.read("cgroup")
	if err != nil {
		r.unreadable("cgroups", err)
		return
	}
	if r.Cgroups, err = parseCgroups(text); err != nil {
		r.unreadable("cgroups", err)
		return
	}
	self, err := openProcess(p.host, 0)
	if err != nil {
		r.unreadable("cgroups.limits", err)
		return
	}
	defer self.close()
	mounts, err := self.mounts()
	if err != nil {
		r.unreadable("cgroups.limits", err)
		return
	}
	for i := range r.Cgroups {
		c := &r.Cgroups[i]
		if err := c.readLimits(mounts); err != nil {
			r.unreadable("cgroups.limits."+c.name(), err)
		}
	}
}

func (c *Cgroup) name() string {
	if c.Controllers == "" {
		return "v2"
	}
	return c.Controllers
}

// parseCgroups parses /proc/PID/cgroup: cgroups(7). Hierarchies of version 1 without a
// controller limit nothing, and are left out.
func parseCgroups(text string) ([]Cgroup, error) {
	list := []Cgroup{}
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		f := strings.SplitN(line, ":", 3)
		switch {
		case line == "":
		case len(f) < 3 || f[2] == "" || f[2][0] != '/':
			return nil, fmt.Errorf("%q is not a line of /proc/PID/cgroup", line)
		case strings.HasPrefix(f[1], "name="):
		default:
			list = append(list, Cgroup{Controllers: f[1], Path: f[2]})
		}
	}
	return list, nil
}

// readLimits reads the limits of the group and of those above it.
func (c *Cgroup) readLimits(mounts []Mount) error {
	m, err := c.mount(mounts)
	if err != nil {
		return err
	}
	at := strings.TrimPrefix(c.Path, strings.TrimSuffix(m.From, "/"))
	have := map[string]bool{}
	for group := path.Clean("/" + at); ; group = path.Dir(group) {
		for _, file := range limitFiles {
			text, err := host.ReadProc(path.Join(m.At, group, file))
			if err != nil {
				if errors.Is(err, unix.ENOENT) {
					continue
				}
				return err
			}
			value := strings.TrimSpace(text)
			if have[file] || unlimited(file, value) {
				continue
			}
			have[file] = true
			c.Limits = append(c.Limits, CgroupLimit{path.Join(m.From, group), file, strings.ReplaceAll(value, "\n", "; ")})
		}
		if group == "/" {
			return nil
		}
	}
}

// mount is where the hierarchy is mounted, with the group in it.
func (c *Cgroup) mount(mounts []Mount) (*Mount, error) {
	for i := range mounts {
		m := &mounts[i]
		if m.Hidden || c.Controllers == "" && m.Type != "cgroup2" || c.Controllers != "" && m.Type != "cgroup" {
			continue
		}
		if c.Controllers != "" && !slices.Contains(m.Super, strings.Split(c.Controllers, ",")[0]) {
			continue
		}
		if strings.HasPrefix(c.Path, "/..") || m.From != c.Path && !below(c.Path, m.From) {
			return nil, errors.New("the group is outside of what is mounted at " + m.At)
		}
		return m, nil
	}
	return nil, errors.New("the hierarchy is not mounted here")
}

// unlimited reports whether a file says that there is no limit, or has its default.
func unlimited(file, value string) bool {
	switch file {
	case "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.soft_limit_in_bytes":
		return len(value) >= len("9223372036854771712")
	case "cpu.cfs_quota_us":
		return value == "-1"
	case "cpu.cfs_period_us":
		return value == "100000"
	case "cpu.shares":
		return value == "1024"
	case "cpu.weight":
		return value == "100"
	}
	return value == "max" || value == "" || value == "0" || strings.HasPrefix(value, "max ")
}
