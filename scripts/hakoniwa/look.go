package main

import (
	"os"
	"regexp"
	"strings"
)

// look prints what a payload sees, a line each: a name, and a value.
const look = `
exec 2>&-
while read -r name value; do
	case $name in
	Uid:|Gid:|Groups:|Cap*|NoNewPrivs:|Seccomp*|SigIgn:|SigBlk:|Umask:) echo "$name" $value ;;
	esac
done </proc/$$/status
echo "pid $$"
echo "ppid $PPID"
echo "uid_map" $(cat /proc/self/uid_map)
echo "gid_map" $(cat /proc/self/gid_map)
echo "setgroups $(cat /proc/self/setgroups)"
for ns in cgroup ipc mnt net pid time user uts; do echo "ns/$ns $(readlink /proc/self/ns/$ns)"; done
echo "cwd $(pwd -P)"
echo "argv0 $(tr '\0' '\n' </proc/$$/cmdline | head -1)"
echo "exe $(readlink /proc/$$/exe)"
env -u PWD -u _ -u OLDPWD -u SHLVL | sed 's/^/env./; s/=/ =/'
for fd in /proc/$$/fd/*; do echo "fd/${fd##*/}" ; done
echo "hostname $(uname -n)"
sed -n 's/^Max \([a-z -]*[a-z]\)  */limit \1 /p' /proc/$$/limits | sed 's/  */_/2g; s/limit /limit./; s/\([a-z]\) \([a-z]\)/\1_\2/g'
sed 's/^/mountinfo /' /proc/self/mountinfo
for f in /.??* /* /dev/* /tmp/*; do
	test -e "$f" || test -L "$f" || continue
	case $f in /dev/pts) continue ;; esac
	echo "file$f $(stat -c '%A %u:%g' "$f") $(readlink "$f")"
done
echo "interfaces" $(sed -n 's/^ *\([a-z0-9]*\):.*/\1/p' /proc/net/dev)
echo "lo $(cat /proc/net/fib_trie | grep -c 127.0.0.1)"
for d in / /usr /etc /tmp /dev /dev/shm /proc/sys/kernel /mnt /data /work $D; do
	test -d "$d" || continue
	if (: >"$d/.hk-trial"); then echo "writable$d yes"; rm -f "$d/.hk-trial"; else echo "writable$d no"; fi
done
:
`

// namespaces are those of this process.
var namespaces = func() map[string]bool {
	own := map[string]bool{}
	for _, ns := range []string{"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"} {
		to, _ := os.Readlink("/proc/self/ns/" + ns)
		own[to] = true
	}
	return own
}()

var (
	temporary = regexp.MustCompile(`/tmp/hakoniwa-[A-Za-z0-9]*`)
	atime     = regexp.MustCompile(`,(relatime|noatime|nodiratime)`)
)

// add adds what a payload has printed, without what is different from run to run.
func (f facts) add(out string) {
	for line := range strings.Lines(out) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch {
		case name == "mountinfo":
			f.mount(value)
		case strings.HasPrefix(name, "ns/"):
			f[name] = "new"
			if namespaces[value] {
				f[name] = "the caller's"
			}
		default:
			f[name] += strings.TrimSpace(value)
		}
	}
}

// mount adds a line of mountinfo. Of several mounts on one directory all are added.
func (f facts) mount(line string) {
	v := strings.Fields(line)
	if len(v) < 10 {
		return
	}
	root := temporary.ReplaceAllString(v[3], "TEMPORARY")
	text := root + " " + atime.ReplaceAllString(v[5], "")
	for i, w := range v {
		if w == "-" && i+3 < len(v) {
			text += " " + v[i+1]
			if v[i+1] != "ext4" && v[i+1] != "overlay" {
				text += " " + v[i+3]
			}
		}
	}
	name := "mount" + v[4]
	if f[name] != "" {
		text = f[name] + "; " + text
	}
	f[name] = text
}
