package setuser

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// maxGroups is NGROUPS_MAX of the kernel.
const maxGroups = 65536

// A lookup is the outside step that turns names into ids.
type lookup struct {
	user, group string
	groups      []string
	// member asks for the groups that list the user.
	member bool

	uid, gid, count *plan.Result
	list            *plan.Mem
	step            plan.Outside
}

func newLookup(s *stage.State, user, group string, groups []string) *lookup {
	l := &lookup{user: user, group: group, groups: groups}
	l.count = s.Plan.NewResult("ngroups")
	l.list = plan.Reserve("$groups", 4*maxGroups)
	l.step = plan.Outside{Stage: s.Name, Do: l.do}
	what := strings.Join(append(slices.DeleteFunc([]string{user, group}, func(w string) bool { return w == "" }), groups...), ", ")
	l.step.Text = "look up " + what + " in /etc/passwd and /etc/group of the root in force"
	if user != "" {
		l.uid, l.gid = s.Plan.NewResult("uid"), s.Plan.NewResult("gid")
		l.step.Gives = []*plan.Result{l.uid, l.gid}
	}
	l.step.Gives = append(l.step.Gives, l.count)
	return l
}

func (l *lookup) setgroups() plan.Op { return plan.SetgroupsFrom(plan.Ref(l.count), l.list) }

func (l *lookup) do(at *plan.At) error {
	passwd, err := readDatabase(at.Root, "etc/passwd", 7)
	if err != nil {
		return err
	}
	group, err := readDatabase(at.Root, "etc/group", 4)
	if err != nil {
		return err
	}
	var gids []uint32
	if l.user != "" {
		uid, gid, name, err := l.findUser(passwd, group)
		if err != nil {
			return err
		}
		at.Set(l.uid, uint64(uid))
		at.Set(l.gid, uint64(gid))
		if l.member && name != "" {
			gids = group.memberships(name, gid)
		}
	}
	for _, g := range l.groups {
		id, err := group.id(g)
		if err != nil {
			return err
		}
		gids = append(gids, id)
	}
	if len(gids) > maxGroups {
		return fmt.Errorf("%d supplementary groups: the kernel takes %d", len(gids), maxGroups)
	}
	b := []byte{}
	for _, g := range gids {
		b = binary.NativeEndian.AppendUint32(b, g)
	}
	at.Fill(l.list, b)
	at.Set(l.count, uint64(len(gids)))
	return nil
}

// findUser returns the user's ids, and its name if passwd has it.
func (l *lookup) findUser(passwd, group database) (uid, gid uint32, name string, err error) {
	line := passwd.find(l.user)
	switch {
	case line != nil:
		name = line[0]
		if uid, err = parseID(line[2]); err != nil {
			return 0, 0, "", fmt.Errorf("/etc/passwd: user %s: %w", name, err)
		}
		if gid, err = parseID(line[3]); err != nil {
			return 0, 0, "", fmt.Errorf("/etc/passwd: user %s: %w", name, err)
		}
	case !isID(l.user):
		return 0, 0, "", fmt.Errorf("--user: %s is not in /etc/passwd of the root in force", l.user)
	case l.group == "":
		return 0, 0, "", fmt.Errorf("--user: %s is not in /etc/passwd of the root in force and so has no group: say %s:GROUP", l.user, l.user)
	default:
		uid, _ = parseID(l.user)
	}
	if l.group != "" {
		gid, err = group.id(l.group)
	}
	return uid, gid, name, err
}

// A database is passwd(5) or group(5), a list of fields a line. Lines that are
// malformed are left out, as getpwnam(3) does.
type database struct {
	path  string
	lines [][]string
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
	id, err := parseID(f[2])
	if err != nil {
		return 0, fmt.Errorf("/%s: group %s: %w", d.path, w, err)
	}
	return id, nil
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
func readDatabase(root, path string, fields int) (database, error) {
	d := database{path: path}
	fail := func(err error) (database, error) {
		return d, fmt.Errorf("/%s of the root in force: %w", path, err)
	}
	dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fail(err)
	}
	defer unix.Close(dir)
	fd, err := unix.Openat2(dir, path, &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err == unix.ENOENT {
		return d, nil
	}
	if err != nil {
		return fail(err)
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	if fi, err := f.Stat(); err != nil {
		return fail(err)
	} else if !fi.Mode().IsRegular() {
		return fail(fmt.Errorf("not a regular file"))
	}
	in := bufio.NewScanner(io.LimitReader(f, maxDatabase))
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		line := strings.Split(in.Text(), ":")
		if len(line) == fields && line[0] != "" {
			if _, err := parseID(line[2]); err == nil {
				d.lines = append(d.lines, line)
			}
		}
	}
	if err := in.Err(); err != nil {
		return fail(err)
	}
	return d, nil
}
