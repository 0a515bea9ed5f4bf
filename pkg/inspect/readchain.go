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
	switch r.command = commandOf(p); {
	case p.lack != nil:
		return nil, fmt.Errorf("process %d: %w", pid, p.lack)
	case p.ended:
		return nil, fmt.Errorf("process %d has ended, and its parent has not waited for it yet", pid)
	}
	return r, nil
}

// commandOf is what the process executes, by /proc/PID/cmdline.
func commandOf(p *process) []string {
	text, err := p.read("cmdline")
	if err != nil || text == "" {
		return []string{"COMMAND"}
	}
	return strings.Split(strings.TrimSuffix(text, "\x00"), "\x00")
}

// linksIn are the symbolic links and the directories at the top of the root of the process,
// which no mount tells, if that is a tmpfs: another file system may not answer. It follows
// nothing there.
func (p *process) linksIn() (links map[string]string, dirs []string, err error) {
	root, err := unix.Openat(p.dir, p.of("root"), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		p.notes(err)
		return nil, nil, err
	}
	defer unix.Close(root)
	var fs unix.Statfs_t
	if err := unix.Fstatfs(root, &fs); err != nil || fs.Type != unix.TMPFS_MAGIC {
		return nil, nil, err
	}
	names, err := listDir(root)
	links = map[string]string{}
	for _, name := range names[:min(len(names), 256)] {
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
