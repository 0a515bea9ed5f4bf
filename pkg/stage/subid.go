package stage

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"github.com/moby/sys/user"
)

// An IDRange is Count ids from First on.
type IDRange struct{ First, Count uint32 }

// subIDs reads what subuid(5) or subgid(5) gives to a user: all lines count, by
// name and by number. kind is "uid" or "gid".
func subIDs(uid uint32, kind string) ([]IDRange, error) {
	number := strconv.FormatUint(uint64(uid), 10)
	name := number
	if u, err := user.LookupUid(int(uid)); err == nil {
		name = u.Name
	}
	path := "/etc/sub" + kind
	list, err := user.ParseSubIDFileFilter(path, func(s user.SubID) bool {
		return s.Name == name || s.Name == number
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var ranges []IDRange
	for _, s := range list {
		if s.SubID < 0 || s.Count <= 0 || s.SubID+s.Count > 1<<32-1 {
			return nil, fmt.Errorf("%s: %d ids from %d on are out of range", path, s.Count, s.SubID)
		}
		ranges = append(ranges, IDRange{uint32(s.SubID), uint32(s.Count)})
	}
	return ranges, nil
}
