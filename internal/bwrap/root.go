package bwrap

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"hk/pkg/getopt"
	"hk/pkg/mount"

	"golang.org/x/sys/unix"
)

// root sets what the root consists of. What covers the root directory itself is the root,
// and what comes before it is covered.
func (c *compiler) root() error {
	m := &c.mounts
	m.Writable, m.CreateWritable, m.NoFollow = true, true, true
	m.Label = c.FileLabel
	m.ElseDir = c.home()
	if c.DirSet {
		if c.Dir == "" {
			return errors.New("Can't chdir to : No such file or directory")
		}
		m.Dir, m.ElseDir = absolute(c.Dir), ""
	}
	for _, file := range c.Locks {
		m.Locks = append(m.Locks, absolute(file))
	}
	c.parents = 0o755
	begin := 0
	for i, o := range c.Ops {
		there, err := c.sources(&c.Ops[i])
		if err != nil {
			return err
		}
		if absolute(o.Dest) == "/" && there && coversRoot(o.Name) {
			begin = i + 1
		}
	}
	if begin > 0 {
		if err := c.covered(c.Ops[begin-1]); err != nil {
			return err
		}
	}
	for _, o := range c.Ops[:max(begin-1, 0)] { // not done, and the payload must not do it
		if o.FD > 2 {
			c.Read = append(c.Read, o.FD)
		}
	}
	for _, o := range c.Ops[begin:] {
		if err := c.op(o); err != nil {
			return err
		}
	}
	return nil
}

// absolute is a path in the root. It does not need a slash at the beginning.
func absolute(p string) string { return path.Clean("/" + p) }

// home is the directory in which the payload starts if there is no other one.
func (c *compiler) home() string {
	home := ""
	for _, v := range c.Host.Env {
		if value, ok := strings.CutPrefix(v, "HOME="); ok {
			home = value
		}
	}
	for _, e := range c.Env {
		switch {
		case e.Clear, e.Unset && e.Name == "HOME":
			home = ""
		case e.Name == "HOME":
			home = e.Value
		}
	}
	if !path.IsAbs(home) || home == "/" {
		return ""
	}
	return home
}

// coversRoot reports whether an option can make the root directory.
func coversRoot(name string) bool {
	switch name {
	case "bind", "bind-try", "dev-bind", "dev-bind-try", "ro-bind", "ro-bind-try", "tmpfs", "overlay", "tmp-overlay", "ro-overlay",
		"proc", "dev", "mqueue", "bind-fd", "ro-bind-fd":
		return true
	}
	return false
}

// covered sets what the root directory is.
func (c *compiler) covered(o Op) error {
	m := &c.mounts
	if o.file {
		return errors.New("Destination is not a file /")
	}
	switch strings.TrimSuffix(o.Name, "-try") {
	case "bind":
		m.Root = c.host(o.Source)
	case "dev-bind":
		m.Root, m.RootDev = c.host(o.Source), true
	case "ro-bind":
		m.Root, m.Writable = c.host(o.Source), false
	case "bind-fd", "ro-bind-fd":
		m.Root, m.Writable = descriptor(o.FD), o.Name == "bind-fd"
		return c.above2(o)
	case "tmpfs":
		m.Tmpfs = tmpfsOptions(o, false)
	case "tmp-overlay":
		if len(o.Layers) == 1 {
			m.Root, m.Ephemeral = c.host(o.Layers[0]), true
			return nil
		}
		fallthrough
	default:
		return fmt.Errorf("--%s /: this cannot be the root directory here; it can be below it", o.Name)
	}
	return nil
}

// host is a path of the host as an absolute one.
func (c *compiler) host(p string) string {
	if filepath.IsAbs(p) || c.Host.Dir == "" {
		return p
	}
	return c.Host.Dir + "/" + p
}

// sources reports whether what an option names on the host is there. An error is for what
// must be there.
func (c *compiler) sources(o *Op) (bool, error) {
	switch {
	case strings.HasSuffix(o.Name, "bind") || strings.HasSuffix(o.Name, "bind-try"):
		isDir, err := c.source(o.Source)
		o.file = err == nil && !isDir
		if err != nil && strings.HasSuffix(o.Name, "-try") && errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		return true, err
	case (o.Name == "bind-fd" || o.Name == "ro-bind-fd") && slices.Contains(c.Read, o.FD):
		return true, fmt.Errorf("--%s %d: %s", o.Name, o.FD, reason(unix.EBADF))
	case o.Name == "bind-fd" || o.Name == "ro-bind-fd":
		isDir, err := c.source(fmt.Sprintf("/proc/self/fd/%d", o.FD))
		o.file = err == nil && !isDir
		return true, err
	}
	for _, dir := range o.Layers {
		if _, err := c.source(dir); err != nil {
			return true, err
		}
	}
	if o.Name == "overlay" {
		for _, dir := range []string{o.Source, o.Work} {
			if _, err := c.source(dir); err != nil {
				return true, err
			}
		}
	}
	return true, nil
}

// A sourceError is for what is not there, in bubblewrap's words.
type sourceError struct {
	path string
	err  error
}

func (e *sourceError) Error() string {
	return fmt.Sprintf("Can't find source path %s: %s", e.path, reason(e.err))
}

func (e *sourceError) Unwrap() error { return e.err }

func (c *compiler) source(p string) (isDir bool, err error) {
	if p == "" {
		return false, &sourceError{p, unix.ENOENT}
	}
	found, err := c.Host.Look(c.host(p))
	if err != nil {
		return false, &sourceError{p, err}
	}
	return found.IsDir, nil
}

// add adds an entry.
func (c *compiler) add(kind mount.EntryKind, source, target, options string) {
	c.mounts.Entries = append(c.mounts.Entries, mount.Entry{Kind: kind, Source: source, Target: target, Options: options})
}

// onTheWay sets the mode of the directories on the way to a target: 755 without what the mode of
// the target denies to the group or to others. As in bubblewrap, what is mounted has none.
func (c *compiler) onTheWay(o Op) {
	if o.Name == "chmod" || o.Name == "remount-ro" {
		return
	}
	mode, allowed := uint32(0o755), defaultMode(o.Name)
	if o.ModeSet {
		allowed = o.Mode
	}
	for _, bits := range []uint32{0o070, 0o007} {
		if allowed&bits == 0 {
			mode &^= bits
		}
	}
	if mode != c.parents {
		c.parents = mode
		c.add(mount.Parents, "", "", fmt.Sprintf("%04o", mode))
	}
}

// defaultMode is the mode of what an option creates, without --perms.
func defaultMode(name string) uint32 {
	switch name {
	case "tmpfs", "dir":
		return 0o755
	case "file":
		return 0o666
	case "bind-data", "ro-bind-data":
		return 0o600
	}
	return 0
}

// op adds what an option asks for.
func (c *compiler) op(o Op) error {
	c.onTheWay(o)
	target := absolute(o.Dest)
	if target == "/" && o.Name != "remount-ro" && o.Name != "chmod" {
		return c.inRoot(o)
	}
	switch o.Name {
	case "bind":
		c.add(mount.Bind, c.host(o.Source), target, "")
	case "bind-try":
		c.add(mount.TryBind, c.host(o.Source), target, "")
	case "dev-bind":
		c.add(mount.DeviceBind, c.host(o.Source), target, "")
	case "dev-bind-try":
		c.add(mount.TryBind, c.host(o.Source), target, "dev")
	case "ro-bind":
		c.add(mount.ReadOnlyBind, c.host(o.Source), target, "")
	case "ro-bind-try":
		c.add(mount.TryReadOnly, c.host(o.Source), target, "")
	case "bind-fd", "ro-bind-fd":
		kind := map[string]mount.EntryKind{"bind-fd": mount.Bind, "ro-bind-fd": mount.ReadOnlyBind}[o.Name]
		if err := c.above2(o); err != nil {
			return err
		}
		c.mounts.Entries = append(c.mounts.Entries, mount.Entry{Kind: kind, FD: o.FD, Target: target})
	case "overlay", "tmp-overlay", "ro-overlay":
		c.overlay(o, target)
	case "remount-ro":
		c.readOnly(target)
	case "chmod":
		c.add(mount.Chmod, "", target, fmt.Sprintf("%04o", o.Mode))
	case "symlink":
		c.add(mount.Symlink, o.Source, target, "")
	case "file", "bind-data", "ro-bind-data":
		return c.data(o, target)
	default:
		c.new(o, target)
	}
	return nil
}

// above2 refuses a standard descriptor, which the payload needs.
func (c *compiler) above2(o Op) error {
	if o.FD <= 2 {
		return fmt.Errorf("--%s %d: a descriptor above 2 is needed here", o.Name, o.FD)
	}
	return nil
}

// inRoot is op for the root directory itself: it exists, and cannot be anything else.
func (c *compiler) inRoot(o Op) error {
	switch {
	case o.Name == "dir", strings.HasSuffix(o.Name, "-try"):
		return nil
	case o.Name == "symlink":
		return fmt.Errorf("Can't make symlink at %s: destination exists and is not a symlink", o.Dest)
	case o.Name == "file":
		return fmt.Errorf("Can't create file %s: Is a directory", o.Dest)
	}
	return fmt.Errorf("Destination is not a file %s", o.Dest)
}

// readOnly makes a mount read-only, but not those below it.
func (c *compiler) readOnly(target string) {
	if target == "/" && c.mounts.Root == "" {
		c.mounts.Writable = false
		return
	}
	c.add(mount.ReadOnly, "", target, "norec")
}

// new adds what is created.
func (c *compiler) new(o Op, target string) {
	switch o.Name {
	case "tmpfs":
		c.add(mount.Tmpfs, "", target, tmpfsOptions(o, true))
	case "dir":
		mode := ""
		if o.ModeSet {
			mode = fmt.Sprintf("%04o", o.Mode)
		}
		c.add(mount.Directory, "", target, mode)
	case "mqueue":
		c.add(mount.Mqueue, "", target, "")
	case "dev":
		c.add(mount.Dev, "", target, "exec,nodev,shm=dir")
	case "proc":
		c.proc(target)
	}
}

// proc adds a procfs. Without a new PID namespace it is the caller's: the kernel mounts none
// for a user namespace that does not own the PID namespace, and what is covered remains so.
func (c *compiler) proc(target string) {
	if c.Namespaces.PID || c.Namespaces.JoinPID >= 0 {
		c.add(mount.Proc, "", target, "")
		return
	}
	c.add(mount.Bind, "/proc", target, "")
	if c.Host.UID != 0 {
		return
	}
	for _, name := range mount.ProcControls() {
		c.add(mount.TryMakeReadOnly, "", target+"/"+name, "")
	}
}

// tmpfsOptions are the options of a tmpfs. Without --perms the mode is 755.
func tmpfsOptions(o Op, explicit bool) string {
	var list []string
	switch {
	case o.ModeSet:
		list = append(list, fmt.Sprintf("mode=%04o", o.Mode))
	case explicit:
		list = append(list, "mode=0755")
	}
	if o.Size != 0 {
		list = append(list, "size="+strconv.FormatUint(o.Size, 10))
	}
	return strings.Join(list, ",")
}

// overlay adds an overlay. The first layer is the lowest for bubblewrap and the highest
// for hk-mount.
func (c *compiler) overlay(o Op, target string) {
	value := func(p string) string { return string(getopt.Escape(c.host(p), ":,")) }
	var lower []string
	for i := len(o.Layers) - 1; i >= 0; i-- {
		lower = append(lower, value(o.Layers[i]))
	}
	options := "lower=" + strings.Join(lower, ":")
	switch o.Name {
	case "overlay":
		c.add(mount.Overlay, "", target, options+",upper="+value(o.Source)+",work="+value(o.Work))
	case "ro-overlay":
		c.add(mount.ReadOnlyOverlay, "", target, options)
	default:
		c.add(mount.TmpOverlay, "", target, options)
	}
}

// data adds a file whose content is read from a descriptor.
func (c *compiler) data(o Op, target string) error {
	if err := c.consume(o.FD); err != nil {
		return fmt.Errorf("Can't write data to file %s: %s", o.Dest, reason(err))
	}
	mode := o.Mode
	if !o.ModeSet {
		mode = defaultMode(o.Name)
	}
	kind := map[string]mount.EntryKind{"file": mount.FileFrom, "bind-data": mount.WritableData, "ro-bind-data": mount.Data}[o.Name]
	c.add(kind, descriptor(o.FD), target, fmt.Sprintf("%04o", mode))
	return nil
}
