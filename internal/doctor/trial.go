package doctor

import (
	"slices"
	"strings"
)

// A trial is something that a machine may permit or not. It is tried by performing a chain
// whose payload does not exist: what a stage would do, and nothing else.
type trial struct {
	// name is stable: programs match on it.
	name string
	// stage is the stage that needs it.
	stage string
	// what is what works if it does.
	what string
	// chain are the words of the chain.
	chain string
	// uses are parts of the ops of a plan that needs it, as --explain prints them: of each
	// list, one.
	uses []string
	// root is set if only root can do it, on any machine.
	root bool
}

// The parts of a trial's chain that create a user namespace. They are left out where a chain
// creates none.
const (
	userNS   = "hk-unshare --user "
	mapsRoot = " hk-idmap --root "
)

// trials are all trials, in the order of the stages.
var trials = []trial{
	{name: "user-namespace", stage: "hk-unshare", what: "create a user namespace",
		chain: userNS, uses: []string{"CLONE_NEWUSER"}},
	{name: "mount-namespace", stage: "hk-unshare", what: "create a mount namespace",
		chain: userNS + "--mount" + mapsRoot, uses: []string{"CLONE_NEWNS"}},
	{name: "pid-namespace", stage: "hk-unshare", what: "create a PID namespace",
		chain: userNS + "--pid" + mapsRoot, uses: []string{"CLONE_NEWPID"}},
	{name: "net-namespace", stage: "hk-unshare", what: "create a network namespace",
		chain: userNS + "--net" + mapsRoot, uses: []string{"CLONE_NEWNET"}},
	{name: "ipc-namespace", stage: "hk-unshare", what: "create an IPC namespace",
		chain: userNS + "--ipc" + mapsRoot, uses: []string{"CLONE_NEWIPC"}},
	{name: "uts-namespace", stage: "hk-unshare", what: "create a UTS namespace and set its names",
		chain: userNS + "--uts --hostname doctor" + mapsRoot, uses: []string{"CLONE_NEWUTS"}},
	{name: "cgroup-namespace", stage: "hk-unshare", what: "create a cgroup namespace",
		chain: userNS + "--cgroup" + mapsRoot, uses: []string{"CLONE_NEWCGROUP"}},
	{name: "time-namespace", stage: "hk-unshare", what: "create a time namespace and set its clocks",
		chain: userNS + "--time --monotonic 1 --boottime 1" + mapsRoot, uses: []string{"CLONE_NEWTIME"}},
	{name: "keyring", stage: "hk-unshare", what: "join a new session keyring",
		chain: "hk-unshare --keyring ", uses: []string{"keyctl("}},
	{name: "without-user-namespace", stage: "hk-unshare", what: "create namespaces without a user namespace", root: true,
		chain: "hk-unshare --mount --net --uts "},

	{name: "own-ids", stage: "hk-idmap", what: "map your own IDs",
		chain: userNS + "hk-idmap ", uses: []string{`self/uid_map"`, "uid_map of"}},
	{name: "subordinate-ids", stage: "hk-idmap", what: "map the IDs that subuid(5) and subgid(5) give you",
		chain: userNS + "hk-idmap --auto ", uses: []string{"newuidmap", "newgidmap"}},

	{name: "new-root", stage: "hk-mount", what: "make a new root directory",
		chain: userNS + "--mount" + mapsRoot + "hk-mount --tmpfs /t ", uses: []string{"pivot_root("}},
	{name: "bind-mounts", stage: "hk-mount", what: "bind mount directories of the host",
		chain: userNS + "--mount" + mapsRoot + "hk-mount --rootfs / ", uses: []string{"open_tree("}},
	{name: "procfs", stage: "hk-mount", what: "mount a procfs",
		chain: userNS + "--mount --pid" + mapsRoot + "hk-mount --proc ", uses: []string{`fsopen("proc"`}},
	{name: "sysfs", stage: "hk-mount", what: "mount a sysfs",
		chain: userNS + "--mount --net" + mapsRoot + "hk-mount --sysfs /s ", uses: []string{`fsopen("sysfs"`}},
	{name: "devpts", stage: "hk-mount", what: "mount a /dev with terminals of its own",
		chain: userNS + "--mount" + mapsRoot + "hk-mount --dev /dev ", uses: []string{`fsopen("devpts"`}},
	{name: "mqueue", stage: "hk-mount", what: "mount message queues",
		chain: userNS + "--mount --ipc" + mapsRoot + "hk-mount --mqueue /q ", uses: []string{`fsopen("mqueue"`}},
	{name: "cgroup2", stage: "hk-mount", what: "mount the unified hierarchy of cgroups",
		chain: userNS + "--mount --cgroup" + mapsRoot + "hk-mount --cgroup2 /c ", uses: []string{`fsopen("cgroup2"`}},
	{name: "overlay", stage: "hk-mount", what: "mount an overlay",
		chain: userNS + "--mount" + mapsRoot + "hk-mount --tmp-overlay /usr:/o ", uses: []string{`fsopen("overlay"`}},
	{name: "id-mapped-mounts", stage: "hk-mount", what: "mount a directory with other IDs", root: true,
		chain: "hk-unshare --mount hk-mount --ro /usr:/u:idmap=0:100000:1000 ", uses: []string{"MOUNT_ATTR_IDMAP"}},

	{name: "loopback", stage: "hk-net", what: "bring up the loopback interface",
		chain: userNS + "--net" + mapsRoot + "hk-net --loopback ", uses: []string{"SIOCSIFFLAGS"}},
	{name: "pasta", stage: "hk-net", what: "connect a network namespace to the outside by pasta(1)",
		chain: userNS + "--net" + mapsRoot + "hk-net --pasta ", uses: []string{"/pasta "}},

	{name: "drop-privileges", stage: "hk-setuser", what: "drop capabilities and set no_new_privs",
		chain: userNS + mapsRoot + "hk-setuser --caps none --no-new-privs ", uses: []string{"PR_CAPBSET_DROP"}},
	{name: "other-users", stage: "hk-setuser", what: "become another user", root: true,
		chain: "hk-setuser --user 65534:65534 ", uses: []string{"setresuid("}},

	{name: "resource-limits", stage: "hk-limit", what: "lower resource limits",
		chain: "hk-limit --core 0 ", uses: []string{"prlimit64("}},
	{name: "limit-processes", stage: "hk-limit", what: "limit processes by a control group",
		chain: "hk-limit --pids 1000 ", uses: []string{"--pids="}},
	{name: "limit-memory", stage: "hk-limit", what: "limit memory by a control group",
		chain: "hk-limit --memory 1G ", uses: []string{"--memory=", "--memory-", "--swap="}},
	{name: "limit-cpus", stage: "hk-limit", what: "limit processor time by a control group",
		chain: "hk-limit --cpus 1 ", uses: []string{"--cpus="}},

	{name: "landlock", stage: "hk-landlock", what: "restrict files by Landlock",
		chain: "hk-landlock --rx / ", uses: []string{"landlock_create_ruleset("}},

	{name: "filter", stage: "hk-seccomp", what: "filter system calls",
		chain: "hk-seccomp --profile podman ", uses: []string{"SECCOMP_SET_MODE_FILTER", "PR_SET_SECCOMP"}},
}

// words are the words of the trial's chain, or nil if there is nothing left to try. own is
// set if it is tried without a user namespace of its own.
func (t *trial) words(own bool) []string {
	chain := t.chain
	if own && !t.root {
		chain = strings.Replace(chain, userNS, "hk-unshare ", 1)
		chain = strings.Replace(chain, mapsRoot, " ", 1)
		if rest, ok := strings.CutPrefix(chain, "hk-unshare "); ok && !strings.HasPrefix(rest, "-") {
			chain = rest
		}
		if chain == "" || strings.HasPrefix(chain, "hk-idmap") {
			return nil
		}
	}
	return strings.Fields(chain)
}

// usedBy reports whether a plan with these ops needs it.
func (t *trial) usedBy(ops []string) bool {
	return slices.ContainsFunc(ops, func(op string) bool {
		return slices.ContainsFunc(t.uses, func(part string) bool { return strings.Contains(op, part) })
	})
}
