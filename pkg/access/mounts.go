package access

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A mountLine is what mountinfo has about a mount that does not change while it remains in
// its place: proc_pid_mountinfo(5).
type mountLine struct {
	parent                 uint64
	dev, root, point, kind string
}

// mounts are those of the tree, by their mount ID.
type mounts struct {
	// info is mountinfo of the first thread, which can be read after that has ended.
	info int
	// first are the mounts that there were when the recording began, and now those of today.
	first, now map[uint64]mountLine
	// good are those in which names are looked up: the ones of the beginning that are still
	// in their place, and whose file systems answer. The map is replaced and never changed:
	// a lookup that was given up may still read it.
	good map[uint64]bool
	// dead are those whose file systems have not answered.
	dead map[uint64]bool
}

func (m *mounts) open(tid int) (err error) {
	if m.info, err = unix.Open(proc(tid)+"/mountinfo", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return err
	}
	if m.now, err = m.table(); err != nil {
		return err
	}
	m.first, m.dead = m.now, map[uint64]bool{}
	m.sort()
	return nil
}

// table reads the table.
func (m *mounts) table() (map[uint64]mountLine, error) {
	if _, err := unix.Seek(m.info, 0, unix.SEEK_SET); err != nil {
		return nil, err
	}
	var text []byte
	for buf := make([]byte, 64<<10); ; {
		n, err := unix.Read(m.info, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return parseMounts(string(text)), nil
		}
		text = append(text, buf[:n]...)
	}
}

func parseMounts(text string) map[uint64]mountLine {
	table := map[uint64]mountLine{}
	for _, line := range strings.Split(text, "\n") {
		w := strings.Fields(line)
		dash := slices.Index(w, "-")
		if dash < 6 || dash+1 >= len(w) {
			continue
		}
		id, err := strconv.ParseUint(w[0], 10, 64)
		parent, err2 := strconv.ParseUint(w[1], 10, 64)
		if err == nil && err2 == nil {
			table[id] = mountLine{parent, w[2], w[3], w[4], w[dash+1]}
		}
	}
	return table
}

// refresh reads the table again if the kernel says that it has changed. What cannot be read
// has no good mounts.
func (m *mounts) refresh() {
	fds := []unix.PollFd{{Fd: int32(m.info), Events: unix.POLLPRI}}
	if n, err := unix.Poll(fds, 0); err == nil && n == 0 {
		return
	}
	m.now, _ = m.table()
	m.sort()
}

// sort finds the good mounts.
func (m *mounts) sort() {
	m.good = map[uint64]bool{}
	for id := range m.now {
		ok := !m.dead[id]
		for at, n := id, 0; ok && n <= len(m.now); n++ {
			line, there := m.now[at]
			before, was := m.first[at]
			if ok = there == was && line == before; !there || line.parent == at {
				break
			}
			at = line.parent
		}
		if ok {
			m.good[id] = true
		}
	}
}

// giveUp marks a mount as one whose file system does not answer.
func (m *mounts) giveUp(id uint64) {
	m.dead = maps.Clone(m.dead)
	m.dead[id] = true
	m.sort()
}

// governs reports whether what has a name is in a mount, as no other one covers it there.
func (m *mounts) governs(root uint64, name string, id uint64) bool {
	at := root
	for range len(m.now) + 1 {
		next, length := uint64(0), int(^uint(0)>>1)
		for child, line := range m.now {
			point := unescapeMount(line.point)
			if child != at && line.parent == at && len(point) < length && below(name, point) {
				next, length = child, len(point)
			}
		}
		if next == 0 {
			return at == id && m.good[id]
		}
		at = next
	}
	return false
}

// below reports whether a name is that of a directory, or of something below it.
func below(name, dir string) bool {
	return name == dir || dir == "/" || strings.HasPrefix(name, dir+"/")
}

var mountEscapes = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

func unescapeMount(s string) string { return mountEscapes.Replace(s) }
