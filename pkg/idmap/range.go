package idmap

import (
	"errors"
	"fmt"
	"strconv"

	"hk/pkg/getopt"
)

// maxID is the number of ids: 4294967295 is none, it stands for "no change".
const maxID = 1<<32 - 1

// maxLines is how many lines a map has at the most (Linux 4.15).
const maxLines = 340

// ParseRange reads INSIDE[:OUTSIDE[:COUNT]].
func ParseRange(s string) (Range, error) {
	fields := getopt.Value(s).Split(':')
	if len(fields) > 3 {
		return Range{}, errors.New("a range is INSIDE[:OUTSIDE[:COUNT]]")
	}
	var n [3]uint32
	for i, field := range fields {
		f := field.Text()
		v, err := strconv.ParseUint(f, 10, 32)
		if err != nil || f[0] == '+' {
			return Range{}, fmt.Errorf("%q is no id from 0 to %d", f, uint64(maxID-1))
		}
		n[i] = uint32(v)
	}
	r := Range{Inside: n[0], Outside: n[1], Count: n[2], OutsideSet: len(fields) > 1, CountSet: len(fields) > 2}
	if r.CountSet && r.Count == 0 {
		return Range{}, errors.New("a range of 0 ids")
	}
	return r, nil
}

func (r Range) String() string {
	s := strconv.FormatUint(uint64(r.Inside), 10)
	if r.OutsideSet {
		s += fmt.Sprintf(":%d", r.Outside)
	}
	if r.CountSet {
		s += fmt.Sprintf(":%d", r.Count)
	}
	return s
}

// check refuses what the kernel would, with a reason: it says EINVAL to all.
func check(ranges []Range) error {
	if len(ranges) > maxLines {
		return fmt.Errorf("%d ranges: the kernel takes %d", len(ranges), maxLines)
	}
	for i, a := range ranges {
		if uint64(a.Inside)+uint64(a.Count) > maxID || uint64(a.Outside)+uint64(a.Count) > maxID {
			return fmt.Errorf("%v reaches beyond the last id, %d", a, uint64(maxID-1))
		}
		for _, b := range ranges[:i] {
			if overlap(a.Inside, b.Inside, a.Count, b.Count) {
				return fmt.Errorf("%v and %v overlap inside", b, a)
			}
			if overlap(a.Outside, b.Outside, a.Count, b.Count) {
				return fmt.Errorf("%v and %v overlap outside", b, a)
			}
		}
	}
	return nil
}

func overlap(a, b, na, nb uint32) bool {
	return uint64(a) < uint64(b)+uint64(nb) && uint64(b) < uint64(a)+uint64(na)
}
