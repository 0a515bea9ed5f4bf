package setuser

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"hk/pkg/host"
	"hk/pkg/ids"

	"golang.org/x/sys/unix"
)

// A database is passwd(5) or group(5), with one list of fields per line. Malformed
// lines are skipped, as by getpwnam(3).
//
// A hostile user may have made the file large: only lines that are needed are kept.
type database struct {
	path string
	// fields is the number of fields in a line; ids of them, starting with the third,
	// are IDs.
	fields, ids int
	// wants are the names and IDs that will be looked up.
	wants []string
	lines [][]string
	// member is the user whose groups are collected in gids.
	member string
	gids   []uint32
	// bad are the numbers of the first malformed lines, and more is the number of
	// further ones.
	bad  []string
	more int
}

// add parses a line; an empty line, a comment or a line for NIS is ignored.
func (d *database) add(number int, line string) {
	if line == "" || strings.ContainsRune("#+-", rune(line[0])) {
		return
	}
	name, id, ok := d.fits(line)
	switch {
	case ok:
		d.keep(name, id, line)
	case len(d.bad) < 5:
		d.bad = append(d.bad, strconv.Itoa(number))
	default:
		d.more++
	}
}

// fits returns the name and the ID of a line, and whether it is well formed.
func (d *database) fits(line string) (name, id string, ok bool) {
	n := 0
	for ; n < d.fields; n++ {
		f, rest, more := strings.Cut(line, ":")
		switch {
		case n == 0:
			name = f
		case n == 2:
			id = f
		}
		if n >= 2 && n < 2+d.ids {
			if _, err := ids.Parse(f); err != nil {
				return "", "", false
			}
		}
		if line = rest; !more {
			return name, id, n == d.fields-1 && name != ""
		}
	}
	return "", "", false
}

// keep keeps a line if it is the first with a wanted name or ID, and the group of a
// line that lists the member.
func (d *database) keep(name, id, line string) {
	if d.wanted(name, 0) || d.wanted(id, 2) {
		d.lines = append(d.lines, strings.Split(line, ":"))
	}
	if d.member == "" || len(d.gids) > maxGroups {
		return
	}
	for list, more := line[strings.LastIndexByte(line, ':')+1:], true; more; {
		var user string
		if user, list, more = strings.Cut(list, ","); user == d.member {
			gid, _ := ids.Parse(id)
			d.gids = append(d.gids, gid)
			return
		}
	}
}

func (d *database) wanted(w string, field int) bool {
	return slices.Contains(d.wants, w) && !slices.ContainsFunc(d.lines, func(f []string) bool { return f[field] == w })
}

// malformed says which lines were skipped, or is empty.
func (d database) malformed() string {
	switch {
	case len(d.bad) == 0:
		return ""
	case len(d.bad) == 1:
		return fmt.Sprintf("/%s of the current root: line %s is malformed and skipped", d.path, d.bad[0])
	case d.more == 0:
		return fmt.Sprintf("/%s of the current root: lines %s are malformed and skipped", d.path, strings.Join(d.bad, ", "))
	}
	return fmt.Sprintf("/%s of the current root: lines %s and %d more are malformed and skipped", d.path, strings.Join(d.bad, ", "), d.more)
}

// find returns the line whose name, or otherwise whose ID, is w. A name takes
// precedence over an ID.
func (d database) find(w string) []string {
	for _, f := range d.lines {
		if f[0] == w {
			return f
		}
	}
	if isID(w) {
		for _, f := range d.lines {
			if f[2] == w {
				return f
			}
		}
	}
	return nil
}

func (d database) id(w string) (uint32, error) {
	if isID(w) {
		return ids.Parse(w)
	}
	f := d.find(w)
	if f == nil {
		return 0, fmt.Errorf("group %s is not in /%s of the current root", w, d.path)
	}
	return ids.Parse(f[2])
}

// memberships are the groups that list the member, after its own group.
func (d database) memberships(own uint32) []uint32 {
	return append([]uint32{own}, slices.DeleteFunc(d.gids, func(gid uint32) bool { return gid == own })...)
}

// The maximum size of a file and of a line in a root that may be hostile.
const (
	maxDatabase = 16 << 20
	maxLine     = 1 << 20
)

// readDatabase reads a file below root; a symbolic link in the path cannot lead outside
// root. A missing file is treated as empty.
func readDatabase(root int, d database) (database, error) {
	fail := func(err error) (database, error) {
		return d, fmt.Errorf("/%s of the current root: %w", d.path, err)
	}
	fd, err := host.OpenIn(root, d.path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY)
	if err == unix.ENOENT {
		return d, nil
	}
	if err != nil {
		return fail(err)
	}
	f := os.NewFile(uintptr(fd), d.path)
	defer f.Close()
	content, err := host.Content(f, maxDatabase)
	if err != nil {
		return fail(err)
	}
	in := bufio.NewScanner(content)
	in.Buffer(nil, maxLine)
	n := 1
	for ; in.Scan(); n++ {
		d.add(n, in.Text())
	}
	err = in.Err()
	if err == bufio.ErrTooLong {
		err = fmt.Errorf("line %d is longer than %d bytes", n, maxLine)
	}
	if err != nil {
		return fail(err)
	}
	return d, nil
}
