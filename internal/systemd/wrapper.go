package systemd

import (
	"strconv"
	"strings"
)

// wrapper are the programs in front of the chain that set what no stage does, and what is
// inherited: nice(1), choom(1), chrt(1), ionice(1), taskset(1) and setarch(8).
func (c *compiler) wrapper() (words []string) {
	if a, ok := c.one("Nice"); ok {
		words = append(words, "nice", "-n", c.integer(a, -20, 19))
	}
	if a, ok := c.one("OOMScoreAdjust"); ok {
		words = append(words, "choom", "-n", c.integer(a, -1000, 1000), "--")
	}
	words = append(words, c.scheduling()...)
	if a, ok := c.one("IOSchedulingClass"); ok {
		switch a.Value {
		case "realtime", "best-effort", "idle", "none", "0", "1", "2", "3":
		default:
			c.failf(a, "not realtime, best-effort or idle")
		}
		words = append(words, "ionice", "-c", a.Value)
		if p, ok := c.one("IOSchedulingPriority"); ok && a.Value != "idle" {
			words = append(words, "-n", c.integer(p, 0, 7))
		}
	} else if p, ok := c.one("IOSchedulingPriority"); ok {
		words = append(words, "ionice", "-n", c.integer(p, 0, 7))
	}
	var cpus []string
	for _, i := range c.words("CPUAffinity") {
		if strings.Trim(i.word, "0123456789-,") != "" {
			c.note(unsaid, i.Assignment, "taskset(1) takes processors only")
			continue
		}
		cpu := strings.Trim(i.word, ",")
		if cpu == "" {
			c.failf(i.Assignment, "names no processor")
		}
		cpus = append(cpus, cpu)
	}
	if len(cpus) > 0 {
		words = append(words, "taskset", "-c", strings.Join(cpus, ","))
	}
	if a, ok := c.one("Personality"); ok && a.Value != unitArch(c.goarch) {
		if a.Value != "x86" && a.Value != "arm" {
			c.failf(a, "not an architecture of this machine")
		}
		words = append(words, "setarch", "linux32")
	}
	return words
}

// integer is the number of an assignment.
func (c *compiler) integer(a Assignment, low, high int) string {
	n, err := strconv.Atoi(a.Value)
	if err != nil || n < low || n > high {
		c.failf(a, "not a number from %d to %d", low, high)
	}
	return strconv.Itoa(n)
}

// scheduling is the policy of the processor.
func (c *compiler) scheduling() (words []string) {
	a, ok := c.one("CPUSchedulingPolicy")
	p, given := c.one("CPUSchedulingPriority")
	reset := c.truth("CPUSchedulingResetOnFork", false)
	if !ok {
		if given || reset {
			a.Value = "other"
		} else {
			return nil
		}
	}
	words = append(words, "chrt")
	if reset {
		words = append(words, "-R")
	}
	priority := "0"
	switch a.Value {
	case "fifo", "rr":
		if priority = "1"; given {
			priority = c.integer(p, 1, 99)
		}
	case "other", "batch", "idle":
	default:
		c.failf(a, "not other, batch, idle, fifo or rr")
	}
	return append(words, "--"+a.Value, priority)
}
