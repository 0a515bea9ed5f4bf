package systemd

import (
	"path"
	"strings"

	"hk/pkg/mount"

	"golang.org/x/sys/unix"
)

// mountDirectives are those that take a mount namespace of the service.
const mountDirectives = "RootDirectory MountAPIVFS BindLogSockets BindPaths BindReadOnlyPaths " +
	"ReadWritePaths ReadOnlyPaths InaccessiblePaths ExecPaths NoExecPaths TemporaryFileSystem"

// root builds the root of the service, if it is not the host's.
func (c *compiler) root() {
	r := &root{spots: map[string]*spot{}, masks: map[string]bool{}}
	c.rootDirectory(r)
	c.protectSystem(r)
	c.protectKernel(r)
	c.accessPaths(r)
	c.privateTmp(r)
	c.devices(r)
	c.fileSystems(r)
	c.tmpfs(r)
	c.binds(r)
	if a, ok := c.one("RootEphemeral"); ok && c.rootDir == "" && c.truth("RootEphemeral", false) {
		c.failf(a, "there is no RootDirectory=")
	}
	needed := len(r.spots) > 0 || len(r.masks) > 0 || c.rootDir != ""
	for _, name := range strings.Fields(mountDirectives) {
		needed = needed || len(c.given[name]) > 0
	}
	if private := c.choice("PrivateMounts", "yes", "no"); private == "yes" || needed || len(c.given["MountFlags"]) > 0 {
		c.namespaces.New |= unix.CLONE_NEWNS
		c.namespaces.Propagation = c.propagation()
	}
	if !needed {
		return
	}
	for _, d := range c.created {
		d.mount(c, r)
	}
	m := &c.mounts
	m.Root, m.RootDev, m.RootSuid = c.hostPath("/"), true, true
	m.Entries = c.list(r)
	m.Create = c.creates
	if c.truth("RootEphemeral", false) {
		m.Ephemeral, m.RootDev, m.RootSuid, m.Writable, m.Create = true, false, false, false, false
	}
	m.Dir = c.directory()
	c.mounting = true
}

// propagation is MountFlags=. Where nothing is said, mounts of the host appear.
func (c *compiler) propagation() string {
	if c.choice("MountFlags", "shared", "slave", "private") == "private" {
		return "private"
	}
	return "slave"
}

// directory is the working directory.
func (c *compiler) directory() string {
	a, ok := c.one("WorkingDirectory")
	if !ok {
		return "/"
	}
	dir, optional := strings.CutPrefix(a.Value, "-")
	if dir == "~" {
		switch {
		case c.account.name == "":
			dir = "/root"
		case c.account.known:
			dir = c.account.Home
		default:
			c.failf(a, "%s is not in /etc/passwd", c.account.name)
		}
	}
	if !path.IsAbs(dir) {
		c.failf(a, "neither an absolute path nor ~")
	}
	if optional && !c.exists(path.Clean(dir)) {
		return "/"
	}
	return path.Clean(dir)
}

// rootDirectory sets RootDirectory=, with the file systems of the kernel.
func (c *compiler) rootDirectory(r *root) {
	if c.rootDir == "" {
		return
	}
	if c.truth("MountAPIVFS", true) {
		r.mount(mount.Proc, "/proc", "", "rw-sys")
		r.mount(mount.Bind, "/sys", "/sys", "")
		r.mount(mount.Bind, "/dev", "/dev", "")
		r.mount(mount.Tmpfs, "/run", "", "mode=0755")
		c.creates = true
	}
	if c.truth("BindLogSockets", c.truth("MountAPIVFS", true)) {
		for _, p := range []string{"/run/systemd/journal/socket", "/run/systemd/journal/stdout", "/run/systemd/journal/dev-log"} {
			r.mount(mount.TryBind, p, p, "").optional = true
		}
	}
}

// home are the directories of ProtectHome=.
var home = []string{"/home", "/root", "/run/user"}

// protectSystem adds ProtectSystem= and ProtectHome=.
func (c *compiler) protectSystem(r *root) {
	system, homes := c.choice("ProtectSystem", "yes", "no", "full", "strict"), c.choice("ProtectHome", "yes", "no", "read-only", "tmpfs")
	if c.truth("DynamicUser", false) {
		system = "strict"
		if homes == "" || homes == "no" {
			homes = "read-only"
		}
	}
	switch system {
	case "full":
		r.write(denied, true, "/etc")
		fallthrough
	case "yes":
		r.write(denied, true, "/usr", "/boot", "/efi")
	case "strict":
		r.write(denied, true, "/")
		r.write(allowed, true, "/dev", "/proc", "/sys")
	}
	switch homes {
	case "yes":
		r.mask(home...)
	case "read-only":
		r.write(denied, true, home...)
	case "tmpfs":
		for _, p := range home {
			if c.exists(p) {
				r.mount(mount.Tmpfs, p, "", "ro,mode=0755")
			}
		}
	}
}

// tunables are the files of procfs that ProtectKernelTunables= makes read-only.
var tunables = []string{"/proc/acpi", "/proc/apm", "/proc/asound", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/latency_stats", "/proc/mtrr",
	"/proc/scsi", "/proc/sys", "/proc/sysrq-trigger", "/proc/timer_stats"}

// protectKernel adds the directives for the kernel: files, capabilities and calls.
func (c *compiler) protectKernel(r *root) {
	drop := func(calls string, caps ...int) {
		c.denied = append(c.denied, calls)
		for _, cap := range caps {
			c.dropped |= 1 << cap
		}
	}
	if c.truth("ProtectKernelTunables", false) {
		r.write(denied, true, append(tunables, "/sys")...)
		r.write(allowed, true, "/sys/fs/cgroup")
		r.mask("/proc/kallsyms", "/proc/kcore")
	}
	if c.truth("ProtectKernelModules", false) {
		r.mask("/usr/lib/modules")
		drop("@module", unix.CAP_SYS_MODULE)
	}
	if c.truth("ProtectKernelLogs", false) {
		r.mask("/proc/kmsg", "/dev/kmsg")
		drop("syslog", unix.CAP_SYSLOG)
	}
	if c.truth("ProtectClock", false) {
		drop("@clock", unix.CAP_SYS_TIME, unix.CAP_WAKE_ALARM)
	}
	switch c.choice("ProtectControlGroups", "yes", "no", "private", "strict") {
	case "yes":
		r.write(denied, true, "/sys/fs/cgroup")
	case "strict":
		c.namespaces.New |= unix.CLONE_NEWCGROUP
		r.mount(mount.Cgroup2, "/sys/fs/cgroup", "", "ro")
	case "private":
		c.namespaces.New |= unix.CLONE_NEWCGROUP
		r.mount(mount.Cgroup2, "/sys/fs/cgroup", "", "rw")
	}
	a, _ := c.one("ProtectHostname")
	kind, name, _ := strings.Cut(a.Value, ":")
	on, isBool := parseBool(kind)
	switch {
	case a.Value == "", isBool && !on:
		return
	case isBool:
		drop("sethostname")
		drop("setdomainname")
		if c.has("ProcSubset", "pid") || c.truth("ProtectKernelTunables", false) {
			break
		}
		r.write(denied, true, "/proc/sys/kernel/domainname", "/proc/sys/kernel/hostname")
	case kind != "private":
		c.failf(a, "neither true, false nor private")
	}
	c.namespaces.New |= unix.CLONE_NEWUTS
	c.namespaces.Hostname = name
}

// has reports whether a directive has a value.
func (c *compiler) has(name, value string) bool { return c.text(name) == value }

// privateTmp adds PrivateTmp=.
func (c *compiler) privateTmp(r *root) {
	tmp := c.choice("PrivateTmp", "yes", "no", "disconnected")
	if c.truth("DynamicUser", false) && tmp != "yes" {
		tmp = "disconnected"
	}
	switch tmp {
	case "yes":
		a, _ := c.one("PrivateTmp")
		c.note(unsaid, a, "/tmp and /var/tmp are in memory, as with disconnected")
		fallthrough
	case "disconnected":
		r.mount(mount.Tmpfs, "/tmp", "", "mode=1777")
		r.mount(mount.Tmpfs, "/var/tmp", "", "mode=1777")
	}
}

// devices adds PrivateDevices=: those that everybody may use, and what programs share in
// /dev.
func (c *compiler) devices(r *root) {
	if !c.truth("PrivateDevices", false) {
		return
	}
	r.mount(mount.Dev, "/dev", "", "ro")
	r.mount(mount.Bind, "/dev/shm", "/dev/shm", "")
	if !c.truth("PrivateIPC", false) {
		r.mount(mount.TryBind, "/dev/mqueue", "/dev/mqueue", "").optional = true
	}
	r.mount(mount.TryBind, "/dev/hugepages", "/dev/hugepages", "").optional = true
	r.links = append(r.links, mount.Entry{Kind: mount.Symlink, Source: "/run/systemd/journal/dev-log", Target: "/dev/log"})
	c.dropped |= 1<<unix.CAP_MKNOD | 1<<unix.CAP_SYS_RAWIO
	c.denied = append(c.denied, "@raw-io")
}

// fileSystems adds the file systems that are new because of a namespace, and ProtectProc=.
func (c *compiler) fileSystems(r *root) {
	n := c.namespaces.New
	options := []string{}
	if !c.truth("ProtectKernelTunables", false) {
		options = append(options, "rw-sys")
	}
	proc := n&unix.CLONE_NEWPID != 0
	if hide := c.choice("ProtectProc", "noaccess", "invisible", "ptraceable", "default"); hide != "" && hide != "default" {
		proc = true
		options = append(options, "hidepid="+hide)
	}
	if c.choice("ProcSubset", "all", "pid") == "pid" {
		proc = true
		options = append(options, "subset=pid")
	}
	a, given := c.one("ProtectProc")
	if !given {
		a, _ = c.one("ProcSubset")
	}
	switch {
	case !proc:
	case n&unix.CLONE_NEWUSER != 0 && n&unix.CLONE_NEWPID == 0:
		c.note(lost, a, "ProtectProc= and ProcSubset=: in a user namespace a procfs needs PrivatePIDs= too")
	default:
		r.mount(mount.Proc, "/proc", "", strings.Join(options, ","))
	}
	joins := len(c.given["NetworkNamespacePath"]) > 0
	if n&unix.CLONE_NEWNET != 0 || joins {
		sys := r.mount(mount.Sysfs, "/sys", "", "rw")
		if sys.write == denied {
			sys.options = "ro"
		}
		if s := r.at("/sys/fs/cgroup", true); s.kind == "" {
			w := s.write
			if w == inherited {
				w = sys.write
			}
			r.mount(mount.TryBind, "/sys/fs/cgroup", "/sys/fs/cgroup", "").optional = true
			s.write = w
		}
	}
	if n&unix.CLONE_NEWIPC != 0 && (c.exists("/dev/mqueue") || c.truth("PrivateDevices", false)) {
		r.mount(mount.Mqueue, "/dev/mqueue", "", "")
	}
}
