package keeper

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// An owner says which keeper has made a cgroup, in the cgroup's name.
type owner struct {
	// boot is the beginning of the boot ID, and start the keeper's start time in ticks
	// after the boot.
	boot  string
	pid   int
	start uint64
}

var ownerName = regexp.MustCompile(`^hk-([0-9a-f]{8})-([1-9][0-9]{0,9})-([0-9]{1,20})(-caller|\.scope)?$`)

func (o owner) String() string { return fmt.Sprintf("hk-%s-%d-%d", o.boot, o.pid, o.start) }

// thisOwner is this process.
func thisOwner() (owner, error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil || len(boot) < 8 {
		return owner{}, fmt.Errorf("/proc/sys/kernel/random/boot_id: %v", err)
	}
	o := owner{boot: string(boot[:8]), pid: os.Getpid()}
	o.start, _, err = startTime(o.pid)
	return o, err
}

// parseOwner reads the name of a cgroup, if it is that of a keeper's.
func parseOwner(name string) (o owner, ok bool) {
	m := ownerName.FindStringSubmatch(name)
	if m == nil {
		return o, false
	}
	o.boot = m[1]
	var err, err2 error
	o.pid, err = strconv.Atoi(m[2])
	o.start, err2 = strconv.ParseUint(m[3], 10, 64)
	return o, err == nil && err2 == nil
}

// lives reports whether the keeper can be seen to live. One in another PID namespace
// cannot.
func (o owner) lives(boot string) bool {
	start, zombie, err := startTime(o.pid)
	return o.boot == boot && err == nil && start == o.start && !zombie
}

// startTime is field 22 of /proc/PID/stat; zombie is set for a process that has ended, and
// that nobody has reaped.
func startTime(pid int) (start uint64, zombie bool, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false, err
	}
	return parseStat(string(b))
}

func parseStat(stat string) (start uint64, zombie bool, err error) {
	// The name of the program may have any characters in it.
	i := strings.LastIndexByte(stat, ')')
	fields := strings.Fields(stat[i+1:])
	if i < 0 || len(fields) < 20 {
		return 0, false, fmt.Errorf("/proc/PID/stat: %q has too few fields", stat)
	}
	start, err = strconv.ParseUint(fields[19], 10, 64)
	return start, fields[0] == "Z" || fields[0] == "X", err
}
