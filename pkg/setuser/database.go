package setuser

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A database is passwd(5) or group(5), a list of fields a line. Lines that are
// malformed are left out, as getpwnam(3) does.
type database struct {
	path string
	// fields is how many a line has; ids of them, from the third on, are ids.
	fields, ids int
	lines       [][]string
	// bad are the numbers of the first malformed lines, and more how many
	// others there are.
	bad  []string
	more int
}

// add reads a line: one that is empty, a comment or for NIS says nothing.
func (d *database) add(number int, line string) {
	if line == "" || strings.ContainsRune("#+-", rune(line[0])) {
		return
	}
	f := strings.Split(line, ":")
	switch {
	case d.fits(f):
		d.lines = append(d.lines, f)
	case len(d.bad) < 5:
		d.bad = append(d.bad, strconv.Itoa(number))
	default:
		d.more++
	}
}

func (d *database) fits(f []string) bool {
	if len(f) != d.fields || f[0] == "" {
		return false
	}
	for _, id := range f[2 : 2+d.ids] {
		if _, err := parseID(id); err != nil {
			return false
		}
	}
	return true
}

// malformed says which lines were left out, or nothing.
func (d database) malformed() string {
	switch {
	case len(d.bad) == 0:
		return ""
	case len(d.bad) == 1:
		return fmt.Sprintf("/%s of the root in force: line %s is malformed and left out", d.path, d.bad[0])
	case d.more == 0:
		return fmt.Sprintf("/%s of the root in force: lines %s are malformed and left out", d.path, strings.Join(d.bad, ", "))
	}
	return fmt.Sprintf("/%s of the root in force: lines %s and %d more are malformed and left out", d.path, strings.Join(d.bad, ", "), d.more)
}

// find returns the line whose name, or else whose id, is w. An id that is a
// name stays a name.
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
		return parseID(w)
	}
	f := d.find(w)
	if f == nil {
		return 0, fmt.Errorf("group %s is not in /%s of the root in force", w, d.path)
	}
	return parseID(f[2])
}

// memberships are the groups that list the user, its own one first.
func (d database) memberships(user string, own uint32) []uint32 {
	gids := []uint32{own}
	for _, f := range d.lines {
		if id, err := parseID(f[2]); err == nil && id != own && slices.Contains(strings.Split(f[3], ","), user) {
			gids = append(gids, id)
		}
	}
	return gids
}

// maxDatabase bounds what is read of a root that may be hostile.
const maxDatabase = 64 << 20

// readDatabase reads a file beneath root; a link in it cannot lead out. A file
// that is missing is empty.
func readDatabase(root int, d database) (database, error) {
	fail := func(err error) (database, error) {
		return d, fmt.Errorf("/%s of the root in force: %w", d.path, err)
	}
	fd, err := unix.Openat2(root, d.path, &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err == unix.ENOENT {
		return d, nil
	}
	if err != nil {
		return fail(err)
	}
	f := os.NewFile(uintptr(fd), d.path)
	defer f.Close()
	if fi, err := f.Stat(); err != nil {
		return fail(err)
	} else if !fi.Mode().IsRegular() {
		return fail(errors.New("not a regular file"))
	}
	in := bufio.NewScanner(io.LimitReader(f, maxDatabase))
	in.Buffer(nil, 1<<20)
	for n := 1; in.Scan(); n++ {
		d.add(n, in.Text())
	}
	if err := in.Err(); err != nil {
		return fail(err)
	}
	return d, nil
}
