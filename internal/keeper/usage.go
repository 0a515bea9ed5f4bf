package keeper

import (
	"time"

	"hk/pkg/limit"
)

// A usage is what the processes of a group have used.
type usage struct {
	limit.Usage
	// user and system are processor times, and peak is in bytes.
	user, system time.Duration
	peak         int64
}

// unknown is a time that the kernel does not tell. So is -1 for other figures.
const unknown = -time.Microsecond

// usage reads the figures. In version 1 it must be called before what the payload made in
// the group is removed, because some count only there.
func (g *group) usage() usage {
	u := usage{Usage: limit.Usage{PeakPids: -1, PeakSwap: -1, OOMKills: -1, ReadBytes: -1, WrittenBytes: -1, Throttled: unknown}, user: unknown, system: unknown, peak: -1}
	if p := g.unified(); p != nil {
		u.readV2(p.dir)
	}
	for _, p := range g.parts {
		u.readV1(p)
	}
	return u
}

func (u *usage) readV2(d *dir) {
	count(d, "memory.peak", &u.peak)
	count(d, "memory.swap.peak", &u.PeakSwap)
	count(d, "pids.peak", &u.PeakPids)
	if text, err := d.read("memory.events"); err == nil {
		u.OOMKills = parseKeyed(text)["oom_kill"]
	}
	if text, err := d.read("cpu.stat"); err == nil {
		stat := parseKeyed(text)
		u.user, u.system = microseconds(stat["user_usec"]), microseconds(stat["system_usec"])
		if t, ok := stat["throttled_usec"]; ok {
			u.Throttled = microseconds(t)
		}
	}
	if text, err := d.read("io.stat"); err == nil {
		u.ReadBytes, u.WrittenBytes = parseIOStat(text)
	}
	for _, resource := range []string{"cpu", "memory", "io"} {
		text, _ := d.read(resource + ".pressure")
		if some, full, ok := parsePressure(text); ok {
			u.Pressure = append(u.Pressure, limit.Pressure{Resource: resource, Some: microseconds(some), Full: microseconds(full)})
		}
	}
}

func (u *usage) readV1(p *part) {
	for _, c := range p.controllers {
		switch c {
		case "memory":
			count(p.dir, "memory.max_usage_in_bytes", &u.peak)
			u.OOMKills = oomKillsV1(p)
		case "pids":
			count(p.dir, "pids.peak", &u.PeakPids)
		case "cpuacct":
			var user, system int64
			if count(p.dir, "cpuacct.usage_user", &user) && count(p.dir, "cpuacct.usage_sys", &system) {
				u.user, u.system = time.Duration(user), time.Duration(system)
			}
		case "cpu":
			if text, err := p.dir.read("cpu.stat"); err == nil {
				u.Throttled = time.Duration(parseKeyed(text)["throttled_time"])
			}
		case "blkio":
			if text, err := p.dir.read("blkio.throttle.io_service_bytes_recursive"); err == nil {
				u.ReadBytes, u.WrittenBytes = parseServiceBytes(text)
			}
		}
	}
}

// oomKillsV1 adds up the kills, because each cgroup counts only its own.
func oomKillsV1(p *part) int64 {
	n := int64(-1)
	p.dir.walk(func(d *dir) error {
		text, err := d.read("memory.oom_control")
		if kills, ok := parseKeyed(text)["oom_kill"]; err == nil && ok {
			n = max(n, 0) + kills
		}
		return nil
	})
	return n
}

// count reads a number into *at if the file exists and has one.
func count(d *dir, name string, at *int64) bool {
	text, err := d.read(name)
	if err != nil {
		return false
	}
	n, ok := parseCount(text)
	if ok {
		*at = n
	}
	return ok
}

func microseconds(n int64) time.Duration { return time.Duration(n) * time.Microsecond }
