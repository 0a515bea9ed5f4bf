package mount

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"hk/pkg/getopt"
	"hk/pkg/host"
	"hk/pkg/ids"
	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

var links = map[string]string{
	"/bin": "usr/bin", "/proc/self": "7", "/etc/resolv": "../run/x/resolv", "/etc/deep/up": "../d/../sub", "/etc/d": "/srv/sub/./.",
	"/etc/away": "../../../tmp", "/etc/self": "self",
}

// machine has directories and files, and the payload cannot be host root.
func machine() *host.Host {
	files := map[string]fs.FileMode{
		"/": fs.ModeDir, "/srv": fs.ModeDir, "/srv/f": 0, "/srv/sub": fs.ModeDir, "/srv/sub/g": 0, "/srv/mnt": fs.ModeDir, "/srv/mnt/f": 0, "/etc": fs.ModeDir,
		"/usr": fs.ModeDir, "/bin": fs.ModeSymlink, "/run": fs.ModeDir, "/proc/self": fs.ModeSymlink,
		"/etc/resolv": fs.ModeSymlink, "/etc/deep": fs.ModeDir, "/etc/deep/up": fs.ModeSymlink, "/etc/d": fs.ModeSymlink,
		"/etc/away": fs.ModeSymlink, "/etc/self": fs.ModeSymlink, "/proc": fs.ModeDir, "/proc/kcore": 0, "/dev/null": fs.ModeDevice,
	}
	stat := func(p string) (fs.FileMode, error) {
		m, ok := files[path.Clean(p)]
		if !ok && strings.HasPrefix(p, "/dev/") {
			return fs.ModeDevice, nil
		}
		if !ok {
			return 0, unix.ENOENT
		}
		return m, nil
	}
	return &host.Host{
		UID: 1000, GID: 1000, Dir: "/srv", Stat: stat, Owner: func(string) (uint32, uint32, error) { return 1000, 1000, nil }, Lstat: stat,
		ReadOnly: func(string) bool { return false },
		Inode: func(p string) (dev, ino uint64, err error) {
			if _, err = stat(p); err == nil {
				h := fnv.New64()
				h.Write([]byte(path.Clean(p)))
				ino = h.Sum64()
			}
			return 1, ino, err
		},
		IsMount:  func(p string) bool { return p == "/srv/mnt" },
		InProcfs: func(p string) bool { return p == "/proc" },
		StatIn:   func(root, p string) (fs.FileMode, error) { return stat(path.Join(root, p)) },
		Look: func(p string) (host.Found, error) {
			m, err := stat(p)
			return host.Found{IsDir: m.IsDir(), Path: p}, err
		},
		Readlink: func(p string) (string, uint32, error) { return links[p], 0, nil },
		TTY:      func() string { return "" },
		UserNS:   func() bool { return true },
		HostRoot: func() (uint32, bool) { return ids.None, true },
		Procfs:   func() error { return nil },
		Rlimit:   func(int) (soft, hard uint64) { return 1000, 1000 },
	}
}

// draw lists the places, one per word: a directory that the plan has created ends in a
// slash, and a mount whose content is not known says what it is.
func draw(n *node, at string) []string {
	var words []string
	if n.found && n.kind != foreign {
		return nil
	}
	switch n.kind {
	case file:
		return []string{at}
	case link:
		return []string{at + "->" + n.target}
	case foreign:
		if n.found {
			break
		}
		if n.mount != nil {
			words = append(words, strings.TrimSuffix(at, "/")+"/")
			break
		}
		words = append(words, at+"="+strings.ReplaceAll(n.what, " ", "_"))
	case dir:
		words = append(words, strings.TrimSuffix(at, "/")+"/")
	}
	for _, name := range slices.Sorted(maps.Keys(n.children)) {
		words = append(words, draw(n.children[name], strings.TrimSuffix(at, "/")+"/"+name)...)
	}
	return words
}

// picture is the tree after flags, or the error at which that stops.
func picture(t *testing.T, flags string) (string, error) {
	t.Helper()
	var set getopt.Flags
	m := &Mounts{}
	m.Flags(&set)
	if _, err := set.Parse(strings.Fields(flags)); err != nil {
		t.Fatalf("Parse(%q): %v", flags, err)
	}
	s := stage.NewState(machine())
	s.NS.New, s.NS.Mapped = unix.CLONE_NEWNS|unix.CLONE_NEWPID|unix.CLONE_NEWIPC, true
	b := &builder{State: s, inPlace: m.InPlace, creates: m.Create, noFollow: m.NoFollow, attrs: map[*plan.Result]plan.MountAttr{}}
	b.umask = s.Plan.NewResult("umask")
	if err := m.begin(b); err != nil {
		return "", err
	}
	for _, e := range m.Entries {
		if err := b.entry(e); err != nil {
			return "", fmt.Errorf("--%s %s: %w", e.Kind, e.name(), err)
		}
	}
	return strings.Join(draw(b.tree, "/"), " "), nil
}

func TestTree(t *testing.T) {
	for _, c := range []struct{ flags, want string }{
		{"", "/"},
		{"--dir /a/b", "/ /a/ /a/b/"},
		{"--dir /a/../b//c/.", "/ /b/ /b/c/"},
		{"--dir /../../a", "/ /a/"},
		{"--dir /", "/"},
		{"--dir /a --dir /a:700", "/ /a/"},
		{"--file /a/f=x --symlink f:/a/l", "/ /a/ /a/f /a/l->f"},
		{"--symlink f:/l --symlink f:/l", "/ /l->f"},

		// Binds.
		{"--ro /srv", "/ /srv=/srv"},
		{"--ro sub:/x", "/ /x=/srv/sub"},
		{"--ro /srv:/x/y", "/ /x/ /x/y=/srv"},
		{"--ro /srv/f:/x/y", "/ /x/ /x/y"},
		{"--try-ro /absent", "/"},
		{"--rootfs /", "/ /bin->usr/bin /etc=/etc /usr=/usr"},
		// What is covered is gone, and what is made on it is on top.
		{"--dir /a/b --ro /srv:/a", "/ /a=/srv"},
		{"--ro /srv:/a --tmpfs /a", "/ /a/"},
		{"--ro /srv:/a --tmpfs /a --file /a/f=x", "/ /a/ /a/f"},
		{"--tmpfs /a --file /a/f=x --tmpfs /a", "/ /a/"},
		{"--ro /srv/f:/x --ro /srv/f:/x", "/ /x"},
		// In a bind the plan knows the directories that it has mounted itself, until
		// another mount there may cover them.
		{"--ro /srv:/a --ro /srv/sub:/a/sub", "/ /a=/srv /a/sub=/srv/sub"},
		{"--ro /srv:/a --tmpfs /a/sub --file /a/sub/f=x", "/ /a=/srv /a/sub/ /a/sub/f"},
		{"--ro /srv:/a --tmpfs /a/sub --tmpfs /a/sub/deep/er", "/ /a=/srv /a/sub/ /a/sub/deep/ /a/sub/deep/er/"},
		{"--ro /srv:/a --tmpfs /a/sub --ro /srv:/a/sub/x", "/ /a=/srv /a/sub/ /a/sub/x=/srv"},
		{"--ro /srv:/a --tmpfs /a/sub --ro /srv/f:/a/f", "/ /a=/srv /a/f /a/sub/"},
		{"--ro /srv:/a --tmpfs /a/sub --ro /srv:/a/sub", "/ /a=/srv /a/sub=/srv"},
		{"--ro /srv:/a --tmpfs /a/sub --tmpfs /a/sub", "/ /a=/srv /a/sub/"},
		{"--ro /srv:/a --tmpfs /a/sub --tmpfs /a/other", "/ /a=/srv /a/other/ /a/sub/"},
		{"--ro /srv:/a --dir /a/sub", "/ /a=/srv"},
		{"--ro /srv --tmpfs /srv/sub --ro /etc:/srv/etc --file /srv/sub/f=x", "/ /srv=/srv /srv/etc=/etc /srv/sub/ /srv/sub/f"},
		{"--root / --tmpfs /run --proc --dir /run/x", "/=/ /proc=proc /run/ /run/x/"},
		{"--root / --tmpfs /srv/sub --tmpfs /srv --dir /srv/sub", "/=/ /srv/ /srv/sub/"},

		// A link in a tree of others leads inside the root, as far as the tree is known.
		{"--root / --tmpfs /run --ro /srv/f:/etc/resolv", "/=/ /run/ /run/x/ /run/x/resolv"},
		{"--ro /etc --tmpfs /run --ro /srv/f:/etc/resolv", "/ /etc=/etc /run/ /run/x/ /run/x/resolv"},
		{"--ro /etc:/srv/e --ro /srv/f:/srv/e/resolv", "/ /srv/ /srv/e=/etc /srv/run/ /srv/run/x/ /srv/run/x/resolv"},
		{"--root / --tmpfs /etc/d --file /srv/sub/f=x", "/=/ /srv/sub/ /srv/sub/f"},
		{"--root / --tmpfs /etc/deep/up --dir /srv/sub/x", "/=/ /srv/sub/ /srv/sub/x/"},
		{"--ro /etc:/e --tmpfs /t --ro /srv:/e/away", "/ /e=/etc /t/ /tmp=/srv"},
		{"--ro /etc:/e --dir /tmp/y --rw /srv:/e/away", "/ /e=/etc /tmp=/srv"},
		{"--root / --tmpfs /run --read-only /run --symlink ../run/x/resolv:/etc/resolv", "/=/ /run=/run,_which_is_read-only"},
		{"--root / --rootfs /", "/=/ /etc=/etc /usr=/usr"},

		// Links of the plan are followed on the way, and at the end by mounts.
		{"--symlink /a:/l --dir /l/x", "/ /a/ /a/x/ /l->/a"},
		{"--symlink x:/d/l --dir /d/l/y --tmpfs /d/l", "/ /d/ /d/l->x /d/x/"},
		{"--symlink ../../up:/d/l --dir /d/l/x", "/ /d/ /d/l->../../up /up/ /up/x/"},
		{"--symlink /t:/l --tmpfs /l --file /l/f=x", "/ /l->/t /t/ /t/f"},
		{"--symlink b:/a --symlink /c:/b --ro /srv:/a/x", "/ /a->b /b->/c /c/ /c/x=/srv"},
		{"--ro /srv:/a --symlink a/sub:/l --tmpfs /l", "/ /a=/srv /a/sub/ /l->a/sub"},
		{"--ro /srv:/a --tmpfs /a/sub --symlink /a/sub:/l --file /l/f=x", "/ /a=/srv /a/sub/ /a/sub/f /l->/a/sub"},

		// File systems and what covers.
		{"--proc --mqueue /q", "/ /proc=proc /q=mqueue"},
		{"--tmpfs /t:ro --file /t/d/f=x --ro /srv:/t/s", "/ /t/ /t/d/ /t/d/f /t/s=/srv"},
		{"--fs ext4:/dev/sda:/t", "/ /t=ext4"},
		{"--tmpfs /t --mask /t", "/ /t=/t,_which_is_masked"},
		{"--file /f=x --mask /f", "/ /f"},
		{"--file /f=x --mask /f --mask /f", "/ /f"},
		{"--dir /d --mask /d --mask /d/e --mask /d", "/ /d=/d,_which_is_masked"},
		{"--try-mask /absent --try-mask /absent/f --try-read-only /absent", "/"},
		{"--ro /srv --try-mask /srv/absent --try-read-only /srv/sub/absent/f", "/ /srv=/srv"},
		{"--ro /srv --try-mask /srv/f --try-read-only /srv/sub:norec", "/ /srv=/srv /srv/f /srv/sub=/srv/sub,_which_is_read-only"},
		{"--ro /srv --try-mask /srv/mnt/f --try-mask /srv/mnt/absent", "/ /srv=/srv /srv/mnt/f"},
		{"--ro /srv:/srv:norec --mask /srv/mnt --try-mask /srv/sub/g", "/ /srv=/srv /srv/mnt=/srv/mnt,_which_is_masked /srv/sub/g"},
		{"--ro /srv --mask /srv/sub --mask /srv/f", "/ /srv=/srv /srv/f /srv/sub=/srv/sub,_which_is_masked"},
		{"--ro /srv --tmpfs /srv/sub --mask /srv/f", "/ /srv=/srv /srv/f /srv/sub/"},
		{"--proc --mask /proc/kcore", "/ /proc=proc /proc/kcore"},
		{"--dir /d/e --read-only /d", "/ /d=/d,_which_is_read-only /d/e/"},
		{"--file /f=x --read-only /f", "/ /f"},
		{"--ro /srv --tmpfs /srv/sub --read-only /srv/f", "/ /srv=/srv /srv/sub/"},
		{"--overlay /o:lower=/srv,upper=/etc,work=/usr", "/ /o=an_overlay"},
		{"--tmp-overlay /srv:/o --dir /o/a/b --file /o/g=x --symlink f:/o/l", "/ /o=an_overlay_on_/srv /o/g /o/l->f"},
		{"--tmp-overlay /srv:/o --tmpfs /o/new --file /o/new/f=x", "/ /o=an_overlay_on_/srv /o/new/ /o/new/f"},
		{"--dev /dev", "/ /dev/ /dev/core->/proc/kcore /dev/fd->/proc/self/fd /dev/full /dev/null /dev/ptmx->pts/ptmx /dev/pts=devpts /dev/random /dev/shm/ " +
			"/dev/stderr->/proc/self/fd/2 /dev/stdin->/proc/self/fd/0 /dev/stdout->/proc/self/fd/1 /dev/tty /dev/urandom /dev/zero"},

		// A directory as the root.
		{"--root /srv", "/=/srv"},
		{"--root /srv --tmpfs /sub --file /sub/f=x", "/=/srv /sub/ /sub/f"},
		{"--root /srv --mask /sub", "/=/srv /sub=/sub,_which_is_masked"},
		{"--ephemeral /srv --dir /new --file /f=x", "/=/srv /f"},
		{"--create --root-rw /srv --dir /new/er --file /f=x --tmpfs /t --symlink f:/l", "/=/srv /f /l->f /t/"},
		{"--create --root /srv --tmpfs /t/u --file /t/u/f=x", "/=/srv /t/u/ /t/u/f"},
		{"--create --rw /srv:/a --tmpfs /a/t --dir /a/t/d --dir /a/d", "/ /a=/srv /a/t/ /a/t/d/"},
		{"--create --overlay /o:lower=/srv,upper=/etc,work=/usr --file /o/f=x", "/ /o=an_overlay /o/f"},
		{"--create --in-place --dir /new", "/=the_current_root"},
		// What is created at one place is there at others of the same directory.
		{"--create --rw /srv:/a --ro /srv:/b --dir /a/n/m --file /a/n/f=x --mask /b/n/f --try-mask /b/n/m", "/ /a=/srv /a/n/f /b=/srv /b/n/ /b/n/f /b/n/m=/b/n/m,_which_is_masked"},
		{"--create --rw /srv:/a --rw /srv/sub:/b --try-mask /b/f --file /a/sub/f=x --try-mask /b/f", "/ /a=/srv /a/sub/f /b=/srv/sub /b/f"},
		{"--create --rw /srv:/a --ro /srv:/b --symlink sub:/a/l --tmpfs /b/l", "/ /a=/srv /a/l->sub /b=/srv /b/l->sub /b/sub/"},
		{"--create --rw /srv:/a --ro /srv:/b --tmpfs /a/n --dir /a/n/x --ro /etc:/b/n", "/ /a=/srv /a/n/ /a/n/x/ /b=/srv /b/n=/etc"},
		{"--create --rw /srv:/u --overlay /o:lower=/etc,upper=/srv/sub,work=/run --file /o/x/f=x --mask /u/sub/x/f", "/ /o=an_overlay /o/x/f /u=/srv /u/sub/x/ /u/sub/x/f"},
		{"--in-place --tmpfs /srv", "/=the_current_root /srv/"},
		{"--in-place --tmpfs /srv --ro /etc", "/=the_current_root /etc=/etc /srv/"},
	} {
		if got, err := picture(t, c.flags); got != c.want || err != nil {
			t.Errorf("the tree after %q = %s, %v; want %s", c.flags, got, err, c.want)
		}
	}
}

func TestTreeRefuses(t *testing.T) {
	const nothing = ", where nothing is ever created: mount a --tmpfs there first"
	for _, c := range []struct{ flags, want string }{
		{"--ro /srv:/", "--ro /srv:/: the root itself: see --root and --rootfs"},
		{"--ro /srv:/a/..", "--ro /srv:/a/..: the root itself: see --root and --rootfs"},
		{"--symlink /:/l --tmpfs /l", "--tmpfs /l: the root itself: see --root and --rootfs"},
		{"--root /srv --tmpfs /", "--tmpfs /: the root itself: see --root and --rootfs"},
		{"--root /srv --file /..=x", "--file /..: the root itself"},
		{"--root /srv/f", "--root /srv/f: not a directory"},
		{"--root /absent", "--root /absent: no such file or directory"},
		{"--ro /absent", "--ro /absent: no such file or directory"},
		{"--try-ro /absent --ro /absent:/x", "--ro /absent:/x: no such file or directory"},

		// What is below a mount of the host that is not part of a mount.
		{"--ro /srv:/srv:norec --try-mask /srv/mnt/f", "--try-mask /srv/mnt/f: the contents of /srv cannot be known in advance"},
		{"--ro /srv:/srv:norec --try-mask /srv/mnt/absent", "--try-mask /srv/mnt/absent: the contents of /srv cannot be known in advance"},
		{"--tmp-overlay /srv:/o --mask /o/mnt/f", "--mask /o/mnt/f: the contents of an overlay on /srv cannot be known in advance"},
		{"--ephemeral /srv --try-mask /mnt/absent", "--try-mask /mnt/absent: the contents of /srv cannot be known in advance"},

		// Files and directories.
		{"--dir /a --ro /srv/f:/a", "--ro /srv/f:/a: a file on a directory"},
		{"--file /a=x --ro /srv:/a", "--ro /srv:/a: a directory on a file"},
		{"--file /a=x --tmpfs /a", "--tmpfs /a: a directory on a file"},
		{"--file /a=x --dir /a", "--dir /a: not a directory"},
		{"--file /a=x --dir /a/b", "--dir /a/b: /a is a file"},
		{"--ro /srv/f:/a --file /a/b=x", "--file /a/b: /a is a file"},
		{"--file /a=x --file /a=x", "--file /a: file exists"},
		{"--dir /a --file /a=x", "--file /a: file exists"},
		{"--dir /a --symlink x:/a", "--symlink x:/a: file exists"},
		{"--symlink x:/l --symlink y:/l", "--symlink y:/l: file exists: a symbolic link to x"},
		{"--symlink /t:/l --file /l=x", "--file /l: file exists"},
		{"--file /f=x --mask /f --file /f=y", "--file /f: file exists"},

		// Nothing is created in trees that the plan did not create.
		{"--ro /srv --file /srv/new=x", "--file /srv/new: it would have to be created in /srv" + nothing},
		{"--rw /srv --symlink x:/srv/new", "--symlink x:/srv/new: it would have to be created in /srv" + nothing},
		{"--root-rw /srv --file /new=x", "--file /new: it would have to be created in /srv" + nothing},
		{"--in-place --file /new=x", "--file /new: it would have to be created in the current root" + nothing},
		{"--ro /srv --dir /srv/sub:700", "--dir /srv/sub: it is in /srv, where modes are never changed"},
		{"--create --ro /srv --file /srv/new=x", "--file /srv/new: it would have to be created in /srv" + nothing},
		{"--create --rw /srv:/srv:ro --symlink x:/srv/new", "--symlink x:/srv/new: it would have to be created in /srv" + nothing},
		{"--create --rootfs / --dir /usr/new:700", "--dir /usr/new: it is in /usr, where modes are never changed"},
		{"--symlink /srv:/l --ro /srv --file /l/new=x", "--file /l/new: it would have to be created in /srv" + nothing},
		{"--mqueue /q --file /q/f=x", "--file /q/f: it would have to be created in mqueue" + nothing},
		{"--dir /d --read-only /d --file /d/f=x", "--file /d/f: it would have to be created in /d, which is read-only" + nothing},
		{"--dir /d --mask /d --file /d/f=x", "--file /d/f: it would have to be created in /d, which is masked" + nothing},
		{"--create --rw /srv:/a --rw /srv:/b --file /a/f2=x --file /b/f2=y", "--file /b/f2: file exists"},
		{"--create --rw /srv:/a --rw /srv:/b --file /a/f2=x --dir /b/f2", "--dir /b/f2: not a directory"},

		// In place, what the plan has mounted is bind mounted too.
		{"--in-place --tmpfs /srv/sub --ro /srv:/etc --try-mask /etc/sub/g", "--try-mask /etc/sub/g: the contents of /srv cannot be known in advance"},
		{"--in-place --tmpfs /srv --ro /srv/sub:/etc --try-mask /etc/g", "--try-mask /etc/g: the contents of /srv/sub cannot be known in advance"},

		{"--overlay /o:lower=/srv,upper=/etc,work=/usr --file /o/f=x", "--file /o/f: it would have to be created in an overlay" + nothing},

		// Links.
		{"--nofollow --symlink /t:/l --tmpfs /l", "--tmpfs /l: it is a symbolic link, and --nofollow was given"},
		{"--nofollow --symlink /t:/l --dir /l", "--dir /l: it is a symbolic link, and --nofollow was given"},
		{"--nofollow --dir /t --symlink /t:/l --mask /l", "--mask /l: it is a symbolic link, and --nofollow was given"},
		{"--nofollow --dir /t --symlink /t:/l --chmod /l:700", "--chmod /l: it is a symbolic link, and --nofollow was given"},
		{"--nofollow --dir /t --symlink /t:/l --read-only /l", "--read-only /l: it is a symbolic link, and --nofollow was given"},
		{"--nofollow --root / --ro /srv:/etc/resolv", "--ro /srv:/etc/resolv: it is a symbolic link, and --nofollow was given"},
		{"--nofollow --root / --file /etc/resolv=x", "--file /etc/resolv: it is a symbolic link, and --nofollow was given"},
		{"--symlink b:/a --symlink a:/b --dir /a/x", "--dir /a/x: too many levels of symbolic links"},
		{"--root / --tmpfs /proc/self/x", "--tmpfs /proc/self/x: /proc/self is a symbolic link of procfs, which is not followed"},
		{"--root / --tmpfs /etc/self", "--tmpfs /etc/self: too many levels of symbolic links"},
		{"--root / --symlink other:/etc/resolv", "--symlink other:/etc/resolv: file exists: a symbolic link to ../run/x/resolv"},
		{"--root / --dir /etc/resolv/x --file /tmp/x=x", "--file /tmp/x: it would have to be created in /" + nothing},
		{"--ro /etc:/e --dir /tmp/y --rw /srv:/e/away --dir /tmp/new:700", "--dir /tmp/new: it is in /srv, where modes are never changed"},
		{"--symlink b:/a --symlink a:/b --tmpfs /a", "--tmpfs /a: too many levels of symbolic links"},
		{"--symlink a:/a --read-only /a", "--read-only /a: too many levels of symbolic links"},

		// What is covered must be there.
		{"--mask /", "--mask /: the root itself"},
		{"--mask /absent", "--mask /absent: no such file or directory"},
		{"--mask /absent/f", "--mask /absent/f: /absent: no such file or directory"},
		{"--dir /a --mask /a/f", "--mask /a/f: no such file or directory"},
		{"--ro /srv --mask /srv/absent", "--mask /srv/absent: no such file or directory"},
		{"--symlink absent:/l --mask /l", "--mask /l: no such file or directory"},
		{"--mqueue /q --mask /q/f", "--mask /q/f: the contents of mqueue cannot be known in advance"},
		{"--read-only /", "--read-only /: the root itself is read-only without --writable-root"},
		{"--read-only /absent", "--read-only /absent: no such file or directory"},
	} {
		if got, err := picture(t, c.flags); err == nil || err.Error() != c.want {
			t.Errorf("the tree after %q = %s, %v; want %s", c.flags, got, err, c.want)
		}
	}
}

// TestTreeLinks checks that as many links are followed as by the kernel.
func TestTreeLinks(t *testing.T) {
	links := func(n int) (flags string) {
		for i := range n {
			flags += fmt.Sprintf("--symlink l%d:/l%d ", i+1, i)
		}
		return flags + "--dir "
	}
	for _, target := range []string{"/l0", "/l0/x"} {
		if got, err := picture(t, links(40)+target); err != nil {
			t.Errorf("the tree after 40 links and --dir %s = %s, %v; want a directory", target, got, err)
		}
		if got, err := picture(t, links(41)+target); !errors.Is(err, unix.ELOOP) {
			t.Errorf("the tree after 41 links and --dir %s = %s, %v; want %v", target, got, err, unix.ELOOP)
		}
	}
}
