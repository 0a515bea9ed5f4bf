package idmap

import (
	"errors"
	"fmt"
	"strconv"

	"hk/pkg/getopt"
	"hk/pkg/ids"
)

// A Range is one line of a map as given by a flag.
type Range struct {
	ids.Extent
	// OutsideSet and CountSet say which values were given. By default Outside is the
	// caller's ID and Count is 1.
	OutsideSet, CountSet bool
}

// ParseRange parses INSIDE[:OUTSIDE[:COUNT]].
func ParseRange(s string) (Range, error) {
	fields := getopt.Value(s).Split(':')
	if len(fields) > 3 {
		return Range{}, errors.New("a range is INSIDE[:OUTSIDE[:COUNT]]")
	}
	var more []string
	for _, f := range fields[1:] {
		more = append(more, f.Text())
	}
	e, err := ids.ParseExtent(fields[0].Text(), more...)
	return Range{e, len(fields) > 1, len(fields) > 2}, err
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
