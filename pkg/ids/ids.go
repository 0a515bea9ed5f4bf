// Package ids has the user and group IDs of credentials(7), ranges of IDs, and the maps
// of user_namespaces(7).
package ids

import (
	"fmt"
	"strconv"
)

// None is not an ID: setresuid(2) treats it as "do not change".
const None = ^uint32(0)

// Last is the highest ID.
const Last = None - 1

// Parse parses a decimal ID, without a sign and without leading zeros, which could be
// meant as octal.
func Parse(s string) (uint32, error) {
	n, err := number(s)
	if err != nil || n > Last {
		return 0, fmt.Errorf("%q is not an ID from 0 to %d", s, Last)
	}
	return n, nil
}

// ParseCount parses the number of IDs in a range, which is at least one.
func ParseCount(s string) (uint32, error) {
	n, err := number(s)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is not a count from 1 to %d", s, None)
	}
	return n, nil
}

func number(s string) (uint32, error) {
	if len(s) > 1 && s[0] == '0' {
		return 0, strconv.ErrSyntax
	}
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err
}

// A Range is Count IDs starting at First.
type Range struct{ First, Count uint32 }

// Contains reports whether an ID is in the range.
func (r Range) Contains(id uint32) bool { return id >= r.First && id-r.First < r.Count }

// Overlaps reports whether two ranges have an ID in common.
func (r Range) Overlaps(s Range) bool {
	return uint64(r.First) < uint64(s.First)+uint64(s.Count) && uint64(s.First) < uint64(r.First)+uint64(r.Count)
}

// Valid reports whether the range is not empty and does not extend beyond Last.
func (r Range) Valid() bool { return r.Count > 0 && uint64(r.First)+uint64(r.Count) <= uint64(Last)+1 }
