package hakoniwa

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// cgroupFlags adds the flags for a control group: those of 1.6.0, and those that it had
// before.
func (l *line) cgroupFlags(f *flags) {
	c := &l.Settings.Limits.Cgroup
	sizes := func(at **uint64, set func(string) error, name string) {
		f.once("cgroup-"+name, "", func(v string) error {
			n, err := size(v)
			*at = &n
			return errors.Join(err, set(name))
		})
	}
	memory, processors := oneOf(), oneOf()
	sizes(&c.Memory, memory, "memory")
	sizes(&c.Memory, memory, "memory-limit")
	sizes(&c.MemoryLow, oneOf(), "memory-reservation")
	sizes(&c.MemorySwap, oneOf(), "memory-swap")
	f.once("cgroup-pids-limit", "", func(v string) error {
		n, err := number(v)
		c.Pids = &n
		return err
	})
	f.once("cgroup-cpus", "", func(v string) (err error) {
		c.CPUs, err = strconv.ParseFloat(v, 64)
		if err != nil || c.CPUs == 0 || strings.Trim(v, "0123456789.") != "" {
			return fmt.Errorf("%q is not a number of processors, such as 1.5", v)
		}
		return processors("cpus")
	})
	f.once("cgroup-cpu-shares", "", func(v string) error {
		n, err := number(v)
		if err == nil && (n < 2 || n > 262144) {
			err = errors.New("shares are 2 to 262144")
		}
		// As runc does.
		c.CPUWeight = 1 + (max(n, 2)-2)*9999/262142
		return err
	})
	time := func(name string, at *uint64, set func(string) error) {
		f.once("cgroup-cpu-"+name, "", func(v string) (err error) {
			if *at, err = number(v); err == nil && *at == 0 {
				err = errors.New("not a time above 0, in microseconds")
			}
			return errors.Join(err, set("cpu-"+name))
		})
	}
	time("period", &c.Period, oneOf())
	time("quota", &c.Quota, processors)
}

// oneOf is for flags for one limit, each of which calls what it returns: the limit of only
// one would count.
func oneOf() func(name string) error {
	given := ""
	return func(name string) error {
		if given != "" {
			return fmt.Errorf("it is for the same limit as --cgroup-%s", given)
		}
		given = name
		return nil
	}
}

// units are powers, of 1000, or of 1024 with an i.
const units = "kmgtpe"

// size parses bytes: 16M and 16MB are 16,000,000, 16MiB and 16Mi are 16,777,216. Digits
// may be separated by underscores, and the unit by a space.
func size(v string) (uint64, error) {
	bad := fmt.Errorf("%q is not a number of bytes, such as 1000, 1.5M or 2 MiB", v)
	digits := strings.TrimRight(strings.ToLower(v), units+"ib")
	unit := strings.ToLower(v)[len(digits):]
	digits = strings.ReplaceAll(strings.TrimRight(digits, " "), "_", "")
	if digits == "" || strings.Trim(digits, "0123456789.") != "" || strings.Count(digits, ".") > 1 || digits[0] == '.' || digits[len(digits)-1] == '.' {
		return 0, bad
	}
	scale := uint64(1)
	if unit = strings.TrimSuffix(unit, "b"); unit != "" {
		base, power := uint64(1000), strings.IndexByte(units, unit[0])
		if unit[1:] == "i" {
			base = 1024
		} else if unit[1:] != "" {
			return 0, bad
		}
		if power < 0 {
			return 0, bad
		}
		for range power + 1 {
			scale *= base
		}
	}
	n, ok := scaled(digits, scale)
	if !ok || n == math.MaxUint64 {
		return 0, fmt.Errorf("%q is too large, or has too many digits", v)
	}
	return n, nil
}

// scaled is a decimal number times a scale, rounded down. It is false if that has more than
// 64 bits, or the number more than 19 digits after its point. Package math/big would add to
// each start.
func scaled(digits string, scale uint64) (uint64, bool) {
	whole, fraction, _ := strings.Cut(digits, ".")
	w, err := strconv.ParseUint(whole, 10, 64)
	high, n := bits.Mul64(w, scale)
	fraction = strings.TrimRight(fraction, "0")
	if err != nil || high != 0 || len(fraction) > 19 {
		return 0, false
	}
	if fraction == "" {
		return n, true
	}
	f, _ := strconv.ParseUint(fraction, 10, 64)
	ten := uint64(1)
	for range fraction {
		ten *= 10
	}
	high, low := bits.Mul64(f, scale)
	part, _ := bits.Div64(high, low, ten)
	n, carry := bits.Add64(n, part, 0)
	return n, carry == 0
}
