package test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A bwrapRow is a command line that bubblewrap and hk-bwrap run in turn, in equal
// directories. All that they print is compared, and what they leave behind.
type bwrapRow struct {
	name string
	// script is for sh on the host. $B is the program, and "$@" a payload that prints its
	// mounts, IDs, capabilities, environment, directories and descriptors.
	script string
	// since is the version of bubblewrap that has the options, if not 0.8.0.
	since string
	// as is "root" or "user" if only they can do it.
	as string
	// differs are regular expressions for lines that are not compared; hk-bwrap(1) says why.
	differs string
}

// bwrapProbe is what the payload prints. Its arguments are the caller's namespaces.
const bwrapProbe = `
awk '{ for (i = 7; $i != "-"; i++); top[$5] = NR; line[NR] = "mount " $4 " " $5 " " $6 " " $(i+1) " " $(i+3); at[NR] = $5 }
	END { for (i = 1; i <= NR; i++) if (top[at[i]] == i) print line[i] }' /proc/self/mountinfo
grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp)' /proc/$$/status
for n in cgroup ipc mnt net pid user uts; do
	l=$(readlink /proc/self/ns/$n)
	case " $* " in *" $l "*) ;; *) echo "new $n";; esac
done
echo map $(cat /proc/self/uid_map) / $(cat /proc/self/gid_map) / $(cat /proc/self/setgroups)
case " $* " in *" $(readlink /proc/self/ns/pid) "*) ;; *) echo "pid $$, its session is $(test $(cut -d' ' -f6 /proc/$$/stat) != 0 || echo not) inside";; esac
case " $* " in *" $(readlink /proc/self/ns/net) "*) ;; *) ip -br address;; esac
echo "host $(uname -n), umask $(umask), $(pwd)"
env | sort | grep -vE '^(_|B)='
tmp=$(grep -q ' /tmp ' /proc/self/mountinfo && echo '/tmp/* /tmp/*/*')
stat -c '%n %a %u %g %F %N' / /* /dev/* $tmp 2>&1 | grep -vE '^/(proc|sys) |cannot stat'
for f in /proc/$$/fd/*; do echo "descriptor ${f##*/}"; done
`

// TestBwrap compares hk-bwrap with bubblewrap.
func TestBwrap(t *testing.T) {
	t.Parallel()
	if slow > 1 && !have("bwrap") {
		t.Skip("the images of other kernels have no bubblewrap")
	}
	bwrap, has := newestBwrap(t)
	for _, r := range bwrapRows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			switch {
			case r.as == "root" && os.Getuid() != 0, r.as == "user" && os.Getuid() == 0:
				t.Skip("a row of another user's")
			case r.since != "" && slices.Compare(has, versionOf(r.since)) < 0:
				t.Skip("bubblewrap is older than ", r.since)
			}
			r.test(t, bwrap)
		})
	}
}

// newestBwrap is the newest bubblewrap: the one that is installed, or one that make bench
// has built.
func newestBwrap(t *testing.T) (program string, version []int) {
	t.Helper()
	built, _ := filepath.Glob("../build/bwrap/*/_build/bwrap")
	for _, p := range append(built, "bwrap") {
		if p, err := exec.LookPath(p); err == nil {
			p, _ = filepath.Abs(p)
			out, _ := exec.Command(p, "--version").Output()
			v := versionOf(strings.TrimPrefix(strings.TrimSpace(string(out)), "bubblewrap "))
			if slices.Compare(v, version) > 0 {
				program, version = p, v
			}
		}
	}
	require(t, "bwrap (package bubblewrap)", program != "")
	return program, version
}

func versionOf(text string) (n []int) {
	for _, w := range strings.Split(text, ".") {
		n = append(n, atoi(w))
	}
	return n
}

func (r bwrapRow) test(t *testing.T, bwrap string) {
	dir := openDir(t)
	theirs, covered := r.run(t, dir, bwrap)
	ours, covers := r.run(t, dir, bin+"/hk-bwrap")
	for _, c := range covered {
		if !slices.Contains(covers, c) {
			t.Errorf("%s\n%s: writable in hk-bwrap's procfs alone", r.script, c)
		}
	}
	if theirs != ours {
		t.Errorf("%s\nbwrap -, hk-bwrap +:\n%s", r.script, different(theirs, ours))
	}
}

// different are the lines that only one of two texts has.
func different(a, b string) string {
	in, with := strings.Split(a, "\n"), strings.Split(b, "\n")
	var s strings.Builder
	for _, l := range in {
		if !slices.Contains(with, l) {
			s.WriteString("- " + l + "\n")
		}
	}
	for _, l := range with {
		if !slices.Contains(in, l) {
			s.WriteString("+ " + l + "\n")
		}
	}
	return s.String()
}

// run runs the script with a program in a new directory w below dir, and returns what it
// prints and leaves there, and what is read-only in a procfs.
func (r bwrapRow) run(t *testing.T, dir, program string) (text string, covers []string) {
	t.Helper()
	work := dir + "/w"
	if err := os.Mkdir(work, 0o755); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(work)
	var own []string
	for _, n := range []string{"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"} {
		l, _ := os.Readlink("/proc/self/ns/" + n)
		own = append(own, l)
	}
	const files = `umask 022; mkdir -p src/sub lower upper work home; echo text >src/file; echo low >lower/file; ln -s src link
`
	cmd := exec.Command("/bin/sh", append([]string{"-c", files + r.script + "\necho status $?\nfind . -printf '%p %M %l\\n' | sort", "sh", "sh", "-c", bwrapProbe, "sh"}, own...)...)
	cmd.Dir = work
	cmd.Env = []string{"PATH=/usr/bin:/bin:/usr/sbin:/sbin", "HOME=" + work + "/home", "B=" + program, "VAR=value"}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return r.plain(string(out), program)
}

var (
	bwrapCover = regexp.MustCompile(`^mount /(\S+) \S*/proc/(\S+) ro,\S+ proc \S+$`)
	// The tmpfs of the root is a directory of another one in bubblewrap.
	bwrapRoot = regexp.MustCompile(`^mount /newroot / `)
)

// plain leaves out what always differs: the name of the program, numbers of processes, and
// what is covered in a procfs.
func (r bwrapRow) plain(text, program string) (string, []string) {
	var lines, covers []string
	var skip *regexp.Regexp
	if r.differs != "" {
		skip = regexp.MustCompile(r.differs)
	}
	for _, l := range strings.Split(text, "\n") {
		l = strings.ReplaceAll(l, program, "PROGRAM")
		if m := bwrapCover.FindStringSubmatch(l); m != nil && m[1] == m[2] {
			covers = append(covers, m[1])
			continue
		}
		if bwrapRoot.MatchString(l) {
			l = "mount / " + strings.TrimPrefix(l, "mount /newroot ")
		}
		if strings.HasPrefix(l, "mount / / ") {
			l = strings.Replace(l, ",mode=755", "", 1) // which is the default
		}
		if skip == nil || !skip.MatchString(l) {
			lines = append(lines, l)
		}
	}
	return fmt.Sprint(strings.Join(lines, "\n")), covers
}
