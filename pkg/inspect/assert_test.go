package inspect

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// sample is a report of a process in a sandbox.
func sample() *Report {
	three, terminal := 3, ""
	mounts, _ := parseMounts(mountinfoFile + "24 23 8:1 /usr/local /usr/local rw - ext4 /dev/vda rw\n")
	mounts = inTree(mounts)
	hide(mounts)
	bits := []string{"noroot"}
	return &Report{
		IDs: &IDs{UID: IDSet{7, 7, 7, 7}, GID: IDSet{8, 8, 9, 8}, Groups: []uint32{5, 4}}, Mounts: mounts,
		Caps: &Caps{sets: [5]uint64{0, 0, 0, 1 << unix.CAP_CHOWN, 0}, last: 40, NoNewPrivs: true, Securebits: &bits},
		Namespaces: map[string]Namespace{
			"net": {1, "other", "other", true}, "uts": {2, "other", "same", true}, "ipc": {3, "same", "same", false},
			"mnt": {4, "unknown", "other", true}, "pid": {5, "unknown", "unknown", false}, "user": {6, "other", "same", false}},
		Seccomp: &Seccomp{Mode: "filter", Filters: &three}, Root: &Root{Root: "/", Directory: "/a", Umask: "022"},
		Limits: map[string]Limit{"nofile": {100, 1024}, "core": {0, 0}, "as": {unix.RLIM_INFINITY, unix.RLIM_INFINITY}},
		FDs:    []FD{{FD: 0}, {FD: 1}, {FD: 2}}, Signals: &Signals{Ignored: []string{"PIPE"}, Blocked: []string{}},
		Session: &Session{Terminal: &terminal}, Env: &Env{Names: []string{"PATH"}},
		Unreadable: map[string]string{"namespaces.time": "EACCES: permission denied"},
	}
}

func TestAssert(t *testing.T) {
	for expr, want := range map[string]string{ // "" holds, otherwise a part of the error
		"uid=7": "", "uid!=0": "", "uid=0": "uid is 7", "gid=8": "gid is real 8, effective 8, saved 9, fs 8", "gid>=8": "", "gid<9": "gid is",
		"groups=4,5": "", "groups=none": "groups: 5 4", "groups!=none": "", "groups!=04,005": "groups: 5 4",
		"caps=none": "one of the sets has CAP_CHOWN", "caps=chown": "", "caps<=CAP_CHOWN,kill": "", "caps<=kill": "has CAP_CHOWN", "caps!=all": "",
		"caps.ambient=none": "", "caps.bounding=none": "bounding is CAP_CHOWN", "caps.bounding>=chown": "", "caps.bounding=all": "bounding is CAP_CHOWN",
		"securebits=noroot": "", "securebits=none": "securebits: noroot", "no-new-privs": "", "!no-new-privs": "no_new_privs: yes",
		"seccomp": "", "!seccomp": "the mode is filter", "seccomp=3": "", "seccomp>3": "the number of filters is 3",
		"ns.net!=host": "", "ns.uts!=host": "uts is 2, which is that of the caller", "ns.ipc!=host": "ipc is 3, which is that of the host", "ns.ipc=host": "",
		"ns.mnt!=host": "", "ns.mnt=host": "it cannot be told: the number of the machine's is not known here",
		"ns.pid!=host": "it cannot be told: the number of the machine's is not known here", "ns.pid!=caller": "it cannot be told",
		"ns.user!=host": "", "ns.user=caller": "", "ns.net=1": "", "ns.net=2": "net is 1", "ns.net!=2": "", "ns.time!=host": "it cannot be told: EACCES",
		"mount:/usr=ro": "", "mount:/usr/=ro": "", "mount:/usr/bin=ro": "", "mount:/usr//local=ro": "which is not ro", "mount:/usr/./local=ro": "which is not ro", "!mount://usr//": "it is a mount point", "mount:/usr/local/x=ro": "is in the mount on /usr/local, ext4 rw, which is not ro",
		"mount:/srv/x=ro,nosuid,nodev,ext4": "", "mount:/srv/x=ro,noexec": "which is not noexec", "mount:/=rw": "", "mount:/dev=tmpfs": "which is not tmpfs",
		"mounts:/usr=ro": "the mount on /usr/local, ext4 rw, is not ro", "mounts:/srv=rw": "the mount on /srv/x", "mounts:/srv/x=ro": "",
		"mount:/usr": "", "!mount:/usr": "it is a mount point", "mount:/etc": "it is not a mount point", "!mount:/etc": "",
		"root=/": "", "cwd=/b": "cwd is /a", "umask=22": "", "umask=077": "umask is 022",
		"limit.nofile<=1024": "", "limit.nofile<=1K": "", "limit.nofile<=100": "the soft limit is 100, the hard limit 1024", "limit.core=0": "", "limit.as<1T": "unlimited", "limit.as=unlimited": "",
		"fd<=2": "", "fd<2": "2 is open", "ignored.PIPE": "", "ignored.sigpipe": "", "blocked.term": "blocked: none", "!blocked.TERM": "",
		"terminal": "there is no controlling terminal", "!terminal": "", "env.PATH": "", "env.HOME": "it is not set", "!env.PATH": "it is set",
	} {
		a, err := parseAssertion(expr)
		if err != nil {
			t.Errorf("parseAssertion(%q): %v", expr, err)
			continue
		}
		err = a.check(sample())
		switch {
		case (err == nil) != (want == ""):
			t.Errorf("%s: %v; want %q", expr, err, want)
		case err != nil && !(strings.HasPrefix(err.Error(), "--assert "+expr+": ") && strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v; want %q", expr, err, want)
		}
	}
}

// TestAssertUnreadable checks that what cannot be read never holds, nor does its opposite.
func TestAssertUnreadable(t *testing.T) {
	r := &Report{Unreadable: map[string]string{}}
	for _, s := range sections {
		r.Unreadable[s] = "ESRCH: no such process"
	}
	for _, expr := range []string{"uid=0", "uid!=0", "groups=none", "caps=none", "caps!=none", "no-new-privs", "!no-new-privs", "seccomp", "!seccomp",
		"ns.net!=host", "ns.net=host", "mount:/", "!mount:/", "mounts:/=ro", "root=/", "limit.core=0", "fd<=2", "ignored.TERM", "!blocked.TERM", "terminal", "!terminal", "env.A", "!env.A"} {
		a, err := parseAssertion(expr)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.check(r); err == nil || !strings.Contains(err.Error(), "it cannot be told: ESRCH: no such process") {
			t.Errorf("%s: %v", expr, err)
		}
	}
}

func TestParseAssertion(t *testing.T) {
	for expr, want := range map[string]string{
		"": "nothing that can be asserted", "landlock": "nothing that can be asserted", "uid": "uid needs one of", "uid=x": "not a number", "!uid=0": "! is not for a comparison",
		"caps=foo": "unknown capability", "caps.foo=none": "not permitted, effective", "caps<none": `cannot be compared by "<"`, "ns=host": "nothing that", "ns.foo=host": "not cgroup",
		"ns.net=foo": "not host, caller", "mount:usr=ro": "not an absolute path", "mount:/a/../b=ro": "not an absolute path", "mount:/a=": "an empty option", "mounts:/a": "needs one of",
		"limit.foo=1": "not a limit of", "limit.core=1X": "not a limit", "limit.core=": "not a limit", "ignored.FOO": "not a signal", "no-new-privs=1": "cannot be compared", "umask=9": "not a file mode", "securebits!=norot": "unknown securebit", "securebits!=": "unknown securebit",
		"cwd!=/a/": "needless slashes", "root!=//": "needless slashes", "cwd!=a": "not an absolute path", "root!=": "not an absolute path", "fd=": "not a number", "env.": "nothing that",
	} {
		if _, err := parseAssertion(expr); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("parseAssertion(%q): %v; want %q", expr, err, want)
		}
	}
}

func FuzzParseAssertion(f *testing.F) {
	for _, s := range []string{"uid=7", "caps<=chown,kill", "mount:/a=b=ro", "!mount:/", "limit.as<=1K", "ns.net!=host"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if a, err := parseAssertion(text); err == nil {
			a.check(sample())
			a.check(&Report{})
		}
	})
}
