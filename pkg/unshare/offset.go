package unshare

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ParseOffset parses the offset of a clock in seconds, with up to nine decimal places.
// The nanoseconds of the result are from 0 to 999999999, as the kernel takes them.
func ParseOffset(v string) (unix.Timespec, error) {
	wrong := fmt.Errorf("%q is not a number of seconds with up to nine decimal places", v)
	whole, places, point := strings.Cut(v, ".")
	sec, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || point && (places == "" || len(places) > 9) {
		return unix.Timespec{}, wrong
	}
	nsec := uint64(0)
	if point {
		if nsec, err = strconv.ParseUint((places + "000000000")[:9], 10, 32); err != nil {
			return unix.Timespec{}, wrong
		}
	}
	if nsec > 0 && strings.HasPrefix(whole, "-") {
		if sec == math.MinInt64 {
			return unix.Timespec{}, wrong
		}
		sec, nsec = sec-1, 1e9-nsec
	}
	return unix.Timespec{Sec: sec, Nsec: int64(nsec)}, nil
}

// offsetText is an offset as ParseOffset reads it.
func offsetText(t unix.Timespec) string {
	sec, nsec, sign := t.Sec, t.Nsec, ""
	if sec < 0 && nsec > 0 {
		sec, nsec, sign = -(sec + 1), 1e9-nsec, "-"
	}
	text := sign + strconv.FormatInt(sec, 10)
	if nsec != 0 {
		text += strings.TrimRight(fmt.Sprintf(".%09d", nsec), "0")
	}
	return text
}
