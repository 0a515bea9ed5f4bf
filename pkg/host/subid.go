package host

import (
	"fmt"
	"strconv"

	"hk/pkg/ids"

	"github.com/moby/sys/user"
	"golang.org/x/sys/unix"
)

// Limits on the files of users: they are those of the current root, which may be
// untrusted.
const (
	maxUsers  = 16 << 20
	maxRanges = 1000
)

// subIDs reads what subuid(5) or subgid(5) gives to a user: all lines apply, by name
// and by number. kind is "uid" or "gid".
func subIDs(uid uint32, kind string) ([]ids.Range, error) {
	number := strconv.FormatUint(uint64(uid), 10)
	name, err := userName(int(uid))
	if err != nil {
		return nil, fmt.Errorf("/etc/passwd: %w", err)
	}
	path := "/etc/sub" + kind
	fail := func(err error) ([]ids.Range, error) { return nil, fmt.Errorf("%s: %w", path, err) }
	f, err := OpenRegular(path)
	if err == unix.ENOENT {
		return nil, nil
	}
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	content, err := Content(f, maxUsers)
	if err != nil {
		return fail(err)
	}
	found := 0
	list, err := user.ParseSubIDFilter(content, func(s user.SubID) bool {
		if s.Name != name && s.Name != number {
			return false
		}
		found++
		return found <= maxRanges
	})
	if err == nil && found > maxRanges {
		err = fmt.Errorf("more than %d lines give IDs to user %d", maxRanges, uid)
	}
	if err != nil {
		return fail(err)
	}
	var ranges []ids.Range
	for _, s := range list {
		r := ids.Range{First: uint32(s.SubID), Count: uint32(s.Count)}
		if int64(r.First) != s.SubID || int64(r.Count) != s.Count || !r.Valid() {
			return fail(fmt.Errorf("%d IDs from %d on are out of range", s.Count, s.SubID))
		}
		ranges = append(ranges, r)
	}
	return ranges, nil
}

// userName is the first name of a user in passwd(5), or the user's number.
func userName(uid int) (string, error) {
	name := strconv.Itoa(uid)
	f, err := OpenRegular("/etc/passwd")
	if err == unix.ENOENT {
		return name, nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	content, err := Content(f, maxUsers)
	if err != nil {
		return "", err
	}
	found := false
	list, err := user.ParsePasswdFilter(content, func(u user.User) bool {
		first := u.Uid == uid && !found
		found = found || first
		return first
	})
	if err == nil && len(list) > 0 {
		name = list[0].Name
	}
	return name, err
}
