package inspect

import (
	"fmt"
	"slices"
	"strings"

	"hk/pkg/host"

	"golang.org/x/sys/unix"
)

// readForChain reads what a chain is made of.
func readForChain(h *host.Host, pid int) (own, other *Report, err error) {
	if own, err = readOwn(h); err != nil {
		return nil, nil, err
	}
	if other, err = readBelow(h, pid, false); err != nil {
		return nil, nil, err
	}
	if root := mountAt(other.Mounts, "/"); root == nil || root.Type != "tmpfs" {
		return own, other, nil
	}
	p, err := openProcess(h, pid)
	if err != nil {
		return nil, nil, err
	}
	defer p.close()
	if other.links, other.dirs, err = p.linksIn(); err != nil {
		other.unreadable("root.names", err)
	}
	if p.lack != nil {
		return nil, nil, fmt.Errorf("process %d: %w", pid, p.lack)
	}
	return own, other, nil
}

// readOwn reads what this process is compared by.
func readOwn(h *host.Host) (*Report, error) {
	own, err := Read(h, What{Sections: sectionsOfChain})
	if err == nil && own.lack != nil {
		err = fmt.Errorf("this process: %w", own.lack)
	}
	return own, err
}

// readBelow reads what is compared of a process, with its command line; contents is as in
// [What].
func readBelow(h *host.Host, pid int, contents bool) (*Report, error) {
	r, err := Read(h, What{PID: pid, Sections: sectionsOfChain, Contents: contents})
	if err != nil {
		return nil, err
	}
	p, err := openProcess(h, pid)
	if err != nil {
		return nil, err
	}
	defer p.close()
	if r.command, err = commandOf(p); err != nil {
		r.unreadable("root.command", err)
	}
	switch stat, err := p.stat(); {
	case p.lack == nil && (err != nil || stat.start != r.start):
		return nil, fmt.Errorf("process %d has ended meanwhile", pid)
	case p.lack != nil:
		return nil, fmt.Errorf("process %d: %w", pid, p.lack)
	case p.ended:
		return nil, fmt.Errorf("process %d has ended, and its parent has not waited for it yet", pid)
	}
	return r, nil
}

// commandOf is what the process executes, by /proc/PID/cmdline.
func commandOf(p *process) ([]string, error) {
	text, err := p.readWords("cmdline")
	if err != nil || text == "" {
		return []string{"COMMAND"}, err
	}
	return strings.Split(strings.TrimSuffix(text, "\x00"), "\x00"), nil
}

// maxNames is how many names of a root directory are read: a process may have made any number.
const maxNames = 256

// linksIn are the symbolic links and the directories at the top of the root of the process,
// which no mount tells, if that is a tmpfs: another file system may not answer. It follows
// nothing there.
func (p *process) linksIn() (links map[string]string, dirs []string, err error) {
	root, err := p.openTmpfs()
	if err != nil || root < 0 {
		return nil, nil, err
	}
	defer unix.Close(root)
	names, err := listDir(root, maxNames)
	if err == nil && len(names) > maxNames {
		names, err = names[:maxNames], fmt.Errorf("it has more than %d names", maxNames)
	}
	links = map[string]string{}
	for _, name := range names {
		b := make([]byte, unix.PathMax)
		if n, err := unix.Readlinkat(root, name, b); err == nil {
			links[name] = string(b[:n])
		} else if mode, err := typeOf(root, name, unix.AT_SYMLINK_NOFOLLOW); err == nil && mode&unix.S_IFMT == unix.S_IFDIR {
			dirs = append(dirs, name)
		}
	}
	slices.Sort(dirs)
	return links, dirs, err
}

// openTmpfs opens the root directory of the process, or returns -1 if that is not on a tmpfs.
// The process can change it meanwhile. What is open keeps the number of its file system, so
// that the mount with that number, read after that, tells the type, and no server is asked.
func (p *process) openTmpfs() (int, error) {
	at, err := p.root()
	if err != nil {
		return -1, err
	}
	defer unix.Close(at)
	var st unix.Statx_t
	if err := unix.Statx(at, "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC|unix.AT_NO_AUTOMOUNT, unix.STATX_TYPE, &st); err != nil {
		return -1, err
	}
	mounts, err := p.mounts()
	if err != nil {
		return -1, err
	}
	device := fmt.Sprintf("%d:%d", st.Dev_major, st.Dev_minor)
	if !slices.ContainsFunc(mounts, func(m Mount) bool { return m.Device == device && m.Type == "tmpfs" }) {
		return -1, nil
	}
	fd, err := unix.Openat(at, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	p.notes(err)
	return fd, err
}
