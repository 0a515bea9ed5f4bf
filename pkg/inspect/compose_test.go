package inspect

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// reports are those of a process that looks, and of one in a sandbox.
func reports(t testing.TB) (own, other *Report) {
	t.Helper()
	parse := func(text string) []Mount {
		list, err := parseMounts(text)
		if err != nil {
			t.Fatal(err)
		}
		list = inTree(list)
		hide(list)
		return list
	}
	all := ^uint64(0) >> 23
	same := map[string]Namespace{"user": {ID: 1, Caller: "same"}, "mnt": {ID: 2, Caller: "same"}, "net": {ID: 3, Caller: "same"}}
	own = &Report{Namespaces: same, Root: &Root{Directory: "/", Umask: "022"}, Seccomp: &Seccomp{Mode: "none"},
		IDs:  &IDs{UID: IDSet{5, 5, 5, 5}, GID: IDSet{6, 6, 6, 6}, Groups: []uint32{6}, UIDMap: []string{"0:0:4294967295"}},
		Caps: &Caps{sets: [5]uint64{0, 0, 0, all, 0}, last: 40}, Limits: map[string]Limit{"core": {0, 1}, "nofile": {8, 8}},
		Mounts: parse("1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 8:2 / /home rw,nosuid - ext4 /dev/b rw\n3 1 0:9 / /hid/x rw - ramfs r rw\n4 1 0:8 / /hid rw - ramfs q rw\n")}
	two := 2
	other = &Report{Root: &Root{Directory: "/w", Umask: "077"}, Seccomp: &Seccomp{Mode: "filter", Filters: &two},
		Namespaces: map[string]Namespace{"user": {ID: 7, Caller: "other"}, "mnt": {ID: 8, Caller: "other"}, "net": {ID: 3, Caller: "same"}},
		IDs:        &IDs{UID: IDSet{5, 5, 5, 5}, GID: IDSet{6, 6, 6, 6}, UIDMap: []string{"0:5:1"}, GIDMap: []string{"0:6:1"}, Setgroups: "deny"},
		Caps:       &Caps{sets: [5]uint64{1, 1, 1, 1, 1}, last: 40, NoNewPrivs: true},
		Limits:     map[string]Limit{"core": {0, 1}, "nofile": {8, unix.RLIM_INFINITY}},
		links:      map[string]string{"bin": "usr/bin"}, dirs: []string{"empty", "w"}, command: []string{"a b", "\x1b'"},
		Cgroups: []Cgroup{{Path: "/x", Limits: []CgroupLimit{{"/x", "pids.max", "9"}, {"/x", "io.max", "8:0 rbps=1"}}}},
		Mounts: parse("9 0 0:30 / / ro - tmpfs none rw\n10 9 8:1 /usr /usr ro,nosuid,nodev - ext4 /dev/a rw\n11 9 8:2 /u:v/w /w rw,nosuid,noexec - ext4 /dev/b rw\n" +
			"12 9 0:31 / /proc rw - proc p rw\n13 12 0:31 /sys /proc/sys ro - proc p rw\n14 9 0:32 / /dev rw - tmpfs d rw\n15 14 0:33 / /dev/pts rw - devpts d rw\n" +
			"16 9 0:34 / /tmp rw,noexec - tmpfs d rw,size=4k,uid=1\n17 9 0:9 /a /lost rw - ramfs r rw\n18 9 0:40 / /fuse rw - fuse.sshfs h rw\n")}
	return own, other
}

// plain calls a stage by its name.
func plain(name string) string { return name }

func TestCompose(t *testing.T) {
	own, other := reports(t)
	var got strings.Builder
	if err := writeChain(&got, own, other, plain); err != nil {
		t.Fatal(err)
	}
	const want = `# The chain that would make what the kernel tells of the process. What is not in it:
# mounts: /lost is /a of a file system that is not visible here: ramfs, r
# mounts: /fuse is a file system that is not visible here: fuse.sshfs, h, rw
# cgroups: io.max of /x is 8:0 rbps=1
# seccomp: mode filter, number of filters 2; --filters reads what they do
# landlock: no kernel tells whether the process is in a domain
# caps.securebits, keyrings: the kernel tells a process only its own
hk-unshare --user --mount \
hk-idmap --uid=0:5:1 --gid=0:6:1 --setgroups=deny \
hk-mount --symlink=usr/bin:/bin --dir=/empty --ro=/usr '--rw=/home/u\:v/w:/w:dev,noexec' --proc --dev=/dev --tmpfs=/tmp:size=4k,noexec --chdir=/w \
hk-setuser --caps=+chown --no-new-privs --umask=077 \
hk-limit --nofile=8:unlimited --pids=9 \
-- 'a b' "$(printf '\033\047')"
`
	if got.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", &got, want)
	}
	// What may not be inspected is told by what can be read.
	other.Namespaces, other.Unreadable = nil, map[string]string{"namespaces.user": "EACCES: x", "namespaces.mnt": "EACCES: x", "namespaces.net": "EACCES: x"}
	stages, notes := compose(own, other)
	if strings.Join(stages[0], " ") != "hk-unshare --user --mount" || notes[0] != "namespaces: user is not readable: EACCES: x; it must be another one, as its maps are others" || notes[2] != "namespaces: net is not readable: EACCES: x" {
		t.Errorf("%q %q", stages, notes)
	}
	other.Unreadable, other.Thread = map[string]string{"caps.threads": "thread 7 has others"}, 8
	if _, notes = compose(own, other); !slices.Contains(notes, "caps: thread 7 has others") || !strings.HasPrefix(notes[0], "what is shown is that of thread 8,") {
		t.Errorf("of threads: %q", notes)
	}
	got.Reset()
	lost := *own
	lost.Unreadable, lost.command = map[string]string{"namespaces.net": "x", "namespaces.pid": "x", "caps.securebits": "x", "mounts": "x"}, []string{"true"}
	if err := writeChain(&got, own, &lost, plain); err != nil || !strings.HasPrefix(got.String(), "# No chain: what could be read shows no isolation from this process, but it is not known for mounts, namespaces.\n") {
		t.Errorf("where little can be read: %s, %v", &got, err)
	}
	got.Reset()
	own.command = []string{"true"}
	if err := writeChain(&got, own, own, plain); err != nil || !strings.HasPrefix(got.String(), "# No chain: ") || !strings.HasSuffix(got.String(), "\n# true\n") {
		t.Errorf("of itself: %s, %v", &got, err)
	}
}
