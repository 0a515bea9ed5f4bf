package doctor

import (
	"fmt"
	"os"
	"strings"

	"hk/pkg/host"
	"hk/pkg/ids"

	"golang.org/x/sys/unix"
)

// A fact is something about the machine that explains what works, without being needed.
type fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// sysctls are those that say what an ordinary user may do; many kernels lack some.
var sysctls = []string{
	"kernel.unprivileged_userns_clone", "kernel.apparmor_restrict_unprivileged_userns",
	"user.max_user_namespaces", "user.max_mnt_namespaces", "user.max_pid_namespaces", "user.max_net_namespaces",
	"user.max_ipc_namespaces", "user.max_uts_namespaces", "user.max_cgroup_namespaces", "user.max_time_namespaces",
	"kernel.keys.maxkeys", "kernel.yama.ptrace_scope", "vm.memfd_noexec",
}

// look says facts, one after the other: what comes after one that cannot be read in time is
// missing.
func look(h *host.Host) int {
	tell := func(name, value string) {
		if value != "" {
			say(line{Fact: name, Value: value})
		}
	}
	lookAtKernel(tell)
	lookAtProcess(tell, h)
	for _, name := range sysctls {
		tell(name, read("/proc/sys/"+strings.ReplaceAll(name, ".", "/")))
	}
	lookAtCgroups(tell, h)
	lookAtIDs(tell, h)
	return 0
}

func read(path string) string {
	text, err := host.ReadProc(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(text)
}

func lookAtKernel(tell func(name, value string)) {
	_, release, _ := host.Kernel()
	tell("kernel", release)
	var lacks []string
	for _, f := range host.Features() {
		if f.Check() != nil {
			lacks = append(lacks, fmt.Sprintf("%v (Linux %v)", f, f.Since()))
		}
	}
	tell("kernel-lacks", strings.Join(lacks, ", "))
	tell("security-modules", read("/sys/kernel/security/lsm"))
	switch read("/sys/fs/selinux/enforce") {
	case "1":
		tell("selinux", "enforcing")
	case "0":
		tell("selinux", "permissive")
	}
	tell("apparmor-profile", read("/proc/self/attr/apparmor/current"))
}

func lookAtProcess(tell func(name, value string), h *host.Host) {
	var st unix.Stat_t
	if unix.Stat("/proc/self/ns/user", &st) == nil {
		where := "nested"
		if st.Ino == host.InitialInode(unix.CLONE_NEWUSER) {
			where = "initial"
		}
		tell("user-namespace", where)
	}
	if host.Chrooted() {
		tell("root-directory", "a chroot")
	}
	status, _ := host.ReadProc("/proc/self/status")
	for line := range strings.SplitSeq(status, "\n") {
		name, value, _ := strings.Cut(line, ":")
		switch value = strings.TrimSpace(value); name {
		case "Seccomp_filters":
			tell("seccomp-filters", value)
		case "CapEff", "CapBnd":
			tell(name, value)
		}
	}
	if h.NoNewPrivs {
		tell("no-new-privs", "set")
	}
	list, mounted := host.CoveredProc()
	switch {
	case !mounted:
		tell("proc", "no whole procfs is mounted on /proc")
	case len(list) > 0:
		tell("proc-covered", strings.Join(list, " "))
	}
}

func lookAtCgroups(tell func(name, value string), h *host.Host) {
	own := read("/proc/self/cgroup")
	version := ""
	switch v1 := strings.Contains(own, ":cpu") || strings.Contains(own, ":memory:") || strings.Contains(own, ":pids:"); {
	case h.CgroupV2():
		version = "2"
	case v1:
		version = "1"
	}
	tell("cgroup-version", version)
	for line := range strings.SplitSeq(own, "\n") {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			tell("cgroup", path)
			if version == "2" {
				dir := "/sys/fs/cgroup" + path
				tell("cgroup-controllers", read(dir+"/cgroup.controllers"))
				tell("cgroup-writable", yesNo(unix.Access(dir+"/cgroup.procs", unix.W_OK) == nil))
			}
		}
	}
	st, err := os.Lstat("/run/systemd/system")
	tell("systemd", yesNo(err == nil && st.IsDir()))
}

func lookAtIDs(tell func(name, value string), h *host.Host) {
	for _, kind := range []string{"uid", "gid"} {
		list, err := h.SubIDs(kind)
		if err != nil {
			tell("sub"+kind, err.Error())
			continue
		}
		tell("sub"+kind, ranges(list))
	}
	for _, name := range []string{"newuidmap", "newgidmap", "pasta"} {
		tell(name, h.Helper(name))
	}
	if abi := h.LandlockABI(); abi > 0 {
		tell("landlock-abi", fmt.Sprint(abi))
		tell("landlock-errata", fmt.Sprintf("%#x", h.LandlockErrata()))
	}
}

func ranges(list []ids.Range) string {
	var words []string
	for _, r := range list {
		words = append(words, fmt.Sprintf("%d:%d", r.First, r.Count))
	}
	return strings.Join(words, " ")
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
