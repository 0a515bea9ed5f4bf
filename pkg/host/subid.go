package host

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

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
	ranges, err := parseSubIDs(content, name, number)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", path, err)
	}
	return ranges, nil
}

// parseSubIDs reads the lines of a user, who is named in either way, from the content of
// subuid(5). Others are not checked: a line of another user must not keep this one out. An
// error starts with the number of its line.
func parseSubIDs(content io.Reader, name, number string) ([]ids.Range, error) {
	var ranges []ids.Range
	lines := bufio.NewScanner(content)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		fields := strings.Split(line, ":")
		if fields[0] != name && fields[0] != number || line == "" {
			continue
		}
		r, err := parseSubID(fields)
		if err == nil && len(ranges) == maxRanges {
			err = fmt.Errorf("more than %d lines give IDs to user %s", maxRanges, number)
		}
		if err != nil {
			return nil, fmt.Errorf("%d: %q: %w", n, line, err)
		}
		ranges = append(ranges, r)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf(" %w", err)
	}
	return ranges, nil
}

// parseSubID parses the fields of a line.
func parseSubID(fields []string) (r ids.Range, err error) {
	if len(fields) != 3 {
		return r, errors.New("a line is USER:FIRST:COUNT")
	}
	for i, to := range []*uint32{&r.First, &r.Count} {
		n, err := strconv.ParseUint(fields[i+1], 10, 32)
		if err != nil {
			return r, fmt.Errorf("%q is not a number of IDs", fields[i+1])
		}
		*to = uint32(n)
	}
	if !r.Valid() {
		return r, fmt.Errorf("%d IDs from %d on are out of range", r.Count, r.First)
	}
	return r, nil
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
