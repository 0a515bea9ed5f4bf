package mount

import (
	"errors"
	"fmt"
	"strings"

	"hk/pkg/getopt"

	"golang.org/x/sys/unix"
)

// devOptions are the options of a directory of devices.
type devOptions struct {
	// attrs are those of each mount in it.
	attrs    uint64
	readOnly bool
	// noDev is set if only what is mounted in it works as a device.
	noDev bool
	// plainShm makes shm a directory of mode 755 and not a mount.
	plainShm bool
	// limits are the parameters of its tmpfs and of that on shm.
	limits [][2]string
}

func parseDev(options string) (o devOptions, err error) {
	o.attrs = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC
	if options == "" {
		return o, nil
	}
	for _, word := range getopt.List(options) {
		switch key, value, _ := strings.Cut(word, "="); {
		case word == "ro" || word == "rw":
			o.readOnly = word == "ro"
		case word == "exec":
			o.attrs &^= unix.MOUNT_ATTR_NOEXEC
		case word == "noexec":
			o.attrs |= unix.MOUNT_ATTR_NOEXEC
		case word == "nodev":
			o.noDev = true
		case word == "shm=dir":
			o.plainShm = true
		case value != "" && (key == "size" || key == "nr_blocks" || key == "nr_inodes"):
			if err := checkTmpfs(key, value); err != nil {
				return o, err
			}
			o.limits = append(o.limits, [2]string{key, value})
		default:
			return o, fmt.Errorf("option %q is not ro, rw, exec, noexec, nodev, shm=dir, size=, nr_blocks= or nr_inodes=", word)
		}
	}
	return o, nil
}

// dev mounts a tmpfs with the devices that programs expect.
func (b *builder) dev(target, options string) error {
	o, err := parseDev(options)
	if err != nil {
		return err
	}
	if o.readOnly && b.inPlace && b.NS.New&unix.CLONE_NEWNS == 0 {
		return errors.New("option ro: where the mount propagates to, it would remain writable: it needs hk-unshare --mount")
	}
	at, err := b.mountPoint(target, true)
	if err != nil {
		return err
	}
	attrs := o.attrs
	if o.noDev {
		attrs |= unix.MOUNT_ATTR_NODEV
	}
	m := b.newMount("tmpfs", attrs, append([][2]string{{"mode", "0755"}}, o.limits...)...)
	as := newDir()
	if o.readOnly {
		b.readOnlyLater(m, at, as)
	}
	b.attach(m, at, as)
	base := "/" + at.abs
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		if err := b.device("/dev/"+name, base+"/"+name, o); err != nil {
			return fmt.Errorf("/dev/%s: %w", name, err)
		}
	}
	for _, l := range [][2]string{
		{"/proc/self/fd", "fd"}, {"/proc/self/fd/0", "stdin"}, {"/proc/self/fd/1", "stdout"}, {"/proc/self/fd/2", "stderr"},
		{"/proc/kcore", "core"}, {"pts/ptmx", "ptmx"},
	} {
		if err := b.symlink(Entry{Source: l[0], Target: base + "/" + l[1]}); err != nil {
			return err
		}
	}
	pts, err := b.mountPoint(base+"/pts", true)
	if err != nil {
		return err
	}
	b.attach(b.newMount("devpts", o.attrs|unix.MOUNT_ATTR_NOEXEC, [2]string{"newinstance"}, [2]string{"ptmxmode", "0666"}, [2]string{"mode", "0620"}),
		pts, newForeign("devpts"))
	if err := b.shm(base+"/shm", o); err != nil {
		return err
	}
	if tty := b.Host.TTY(); tty != "" {
		return b.device(tty, base+"/console", o)
	}
	return nil
}

// shm creates the directory for shared memory.
func (b *builder) shm(target string, o devOptions) error {
	if o.plainShm {
		return b.directory(Entry{Target: target})
	}
	at, err := b.mountPoint(target, true)
	if err == nil {
		b.attach(b.newMount("tmpfs", o.attrs|unix.MOUNT_ATTR_NODEV, append([][2]string{{"mode", "01777"}}, o.limits...)...), at, newDir())
	}
	return err
}

// device bind mounts a device of the host.
func (b *builder) device(source, target string, o devOptions) error {
	e := Entry{Kind: DeviceBind, Source: source, Target: target, Options: "private"}
	if o.attrs&unix.MOUNT_ATTR_NOEXEC != 0 {
		e.Options += ",noexec"
	}
	return b.bind(e)
}
