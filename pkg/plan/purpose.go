package plan

import "strings"

// purposes say what ops are for, by the name of the call and by parts that the op as it is
// printed must have. The first that fits counts. They are for people who read a plan: nothing
// that is performed depends on them.
var purposes = []struct{ call, parts, says string }{
	{"prctl", "SUID_DUMP_DISABLE", "no other process may trace this one, or open what it has open, during the set-up"},
	{"prctl", "SUID_DUMP_USER", "its files in /proc belong to its user again"},
	{"prctl", "PR_SET_PDEATHSIG", "it is killed when the process that has created it ends"},
	{"prctl", "PR_SET_NO_NEW_PRIVS", "no program that it executes gains privileges; a filter or a domain of an ordinary user needs this"},
	{"prctl", "PR_CAPBSET_DROP", "no program that it executes can get this capability"},
	{"prctl", "PR_CAP_AMBIENT_RAISE", "the next program gets this capability"},
	{"prctl", "PR_CAP_AMBIENT_LOWER", "the next program does not get this capability"},
	{"prctl", "PR_CAP_AMBIENT_CLEAR_ALL", "the next program gets no capabilities by default"},
	{"prctl", "PR_SET_SECUREBITS", "how capabilities change with user ID 0"},
	{"prctl", "PR_SET_KEEPCAPS", "capabilities are kept when the user changes, as long as they are needed"},
	{"prctl", "PR_SET_CHILD_SUBREAPER", "processes whose parent ends become children of this one, so it finds all of them"},
	{"prctl", "PR_SET_SECCOMP", "from here on the kernel asks the filter about each call"},
	{"seccomp", "", "from here on the kernel asks the filter about each call"},
	{"capset", "", "what it may do from here on"},
	{"clone3", "CLONE_VFORK", "create a process beside this one that executes hk-inspect"},
	{"clone3", "CLONE_NEWUSER", "create the process that becomes the payload, in namespaces of its own in which it has all capabilities"},
	{"clone3", "CLONE_NEW", "create the process that becomes the payload, in namespaces of its own"},
	{"clone3", "", "create a process that continues, while this one waits for it"},
	{"prctl", "PR_SET_NAME", "the name of the process"},
	{"unshare", "CLONE_NEWUSER", "enter a new user namespace, in which it has all capabilities"},
	{"unshare", "", "enter a new namespace"},
	{"setns", "", "enter an existing namespace"},
	{"ioctl", "SIOCGSKNS", "hold the network namespace of the socket"},
	{"fcntl", "F_DUPFD", "hold what the caller's descriptor is for"},
	{"pidfd_open", "", "hold the process, so that its number cannot become that of another one"},
	{"wait4", "", "nothing more is done unless hk-inspect has ended without an error"},
	{"getppid", "= $parent", "the number of the parent, for hk-inspect to show"},
	{"getpid", "= $self", "the number of this process, for hk-inspect to show"},
	{"getppid", "", "the parent must still be the expected one"},
	{"getpid", "", "the number of the process, for the environment of the payload"},
	{"geteuid", "", "the user ID must be what is expected"},
	{"setsid", "", "a session without a terminal, so that nothing can be typed into that of the caller"},
	{"keyctl", "KEYCTL_JOIN_SESSION_KEYRING", "an empty session keyring: the caller's keys stay outside"},
	{"sethostname", "", "the host name in the new UTS namespace"},
	{"setdomainname", "", "the domain name in the new UTS namespace"},
	{"rt_sigprocmask", "~[]", "no signal interrupts the set-up"},
	{"rt_sigprocmask", "", "signals are blocked as the caller had them"},
	{"rt_sigaction", "SIG_IGN", "this signal is ignored, as the caller had it"},
	{"rt_sigaction", "", "the next program has the default action for this signal"},
	{"prlimit64", "", "the limit of this resource"},

	{"setresuid", "", "the user of the payload"},
	{"setresgid", "", "the group of the payload"},
	{"setgroups", "", "the supplementary groups of the payload: none of the caller's others remain"},
	{"umask", "= $umask", "what is created has the mode that is asked for, whatever the umask of the caller"},
	{"umask", "($umask", "the umask of the caller again"},
	{"umask", "", "the umask of the payload"},

	{"openat2", `"/proc"`, "the caller's procfs, before anything can cover it"},
	{"openat2", "_map", "the map of IDs of the new user namespace; nothing can be mounted over it"},
	{"openat2", "/setgroups", "whether groups can be changed in the new user namespace"},
	{"openat2", "attr/fscreate", "where the SELinux label of what this thread creates is set"},
	{"openat2", "attr/exec", "where the SELinux label of the program that is executed is set"},
	{"openat2", "$file RESOLVE_NO_XDEV", "a file of this process in procfs, over which nothing can be mounted"},
	{"openat2", "$process", "the directory of the process in procfs"},
	{"write", "$supervisor", "ask whether the supervisor is still there"},
	{"write", `$attr, "\n"`, "what is created from here on has no label of its own again"},
	{"write", "$attr", "the SELinux label"},
	{"write", "$file", "what was opened gets this text"},
	{"read", "$supervisor", "wait for the answer of the supervisor"},
	{"read", "", "wait until there is something to read"},
	{"sendto", "$supervisor", "tell the supervisor that this place is reached, and ask for what follows"},
	{"sendmsg", "$supervisor", "send the supervisor a descriptor that it needs for what follows"},
	{"recvmsg", "$supervisor", "get a descriptor from the supervisor"},
	{"dup3", "$supervisor", "keep the socket to the supervisor for the next stage"},

	{"openat2", "RESOLVE_NO_SYMLINKS|RESOLVE_IN_ROOT", "find the target in the new root; no link leads out of it"},
	{"openat2", "RESOLVE_IN_ROOT", "find it in the new root, out of which no link leads"},
	{"openat2", "$top", "the directory into which the new root is mounted"},
	{"openat2", "$dir", "the working directory, to return to"},
	{"openat2", "$source", "find the source, without following links"},
	{"openat2", "", "open it without following links that others could change"},
	{"openat", "$own", "hold its own user namespace"},
	{"openat", "$exe", "this program, to execute the next stage from a copy"},
	{"openat", "$next", "the program of the next stage, which may soon be out of reach"},
	{"openat", "$path", "the path of a rule"},
	{"openat", "$cwd", "the working directory, to return to"},
	{"openat", "$root", "the directory that becomes the root"},
	{"openat", "O_CREAT", "create a file"},
	{"openat", "ns/", "hold the namespace that is entered"},
	{"openat", "", "open what the next calls need"},
	{"fsopen", "", "prepare a new file system"},
	{"fsconfig", "CMD_CREATE", "create the file system"},
	{"fsconfig", "", "set an option of the file system"},
	{"fsmount", "", "mount it, at no place yet"},
	{"open_tree", "OPEN_TREE_CLONE", "copy the mounts of the source, which are at no place yet"},
	{"open_tree", "", "open the mount"},
	{"mount_setattr", "MS_UNBINDABLE", "the root is not part of bind mounts of itself"},
	{"mount_setattr", "MOUNT_ATTR_IDMAP", "files have other owners in this mount"},
	{"mount_setattr", "attr_clr=MOUNT_ATTR_RDONLY", "this mount can be written to, unlike those below it"},
	{"mount_setattr", "MOUNT_ATTR_RDONLY", "nothing can be written in this mount"},
	{"mount_setattr", "AT_FDCWD AT_RECURSIVE", "mounts and unmounts in this namespace stay in it, and those of the host outside"},
	{"mount_setattr", "", "the attributes of the mount"},
	{"move_mount", "AT_FDCWD, \"/\"", "mount the new root over the old one"},
	{"move_mount", "", "mount it at its place"},
	{"pivot_root", "", "make it the root directory; the old one is below it now"},
	{"chroot", "", "make it the root directory of this process too"},
	{"umount2", "", "the old root is gone, and all that was in it"},
	{"fchdir", "$dir", "return to the working directory, if it is in the new root"},
	{"fchdir", "", "go where the next calls are made"},
	{"chdir", "", "the working directory"},
	{"mkdirat", "", "create a directory to mount at, or for what comes into it"},
	{"symlinkat", "", "create a symbolic link"},
	{"mknodat", "", "create an empty file to mount at"},
	{"fchmod", "", "its mode"},
	{"fchown", "", "its owner"},

	{"landlock_create_ruleset", "", "the access rights that are denied unless a rule grants them"},
	{"landlock_add_rule", "LANDLOCK_RULE_NET_PORT", "this port is allowed"},
	{"landlock_add_rule", "", "these rights are granted below this path"},
	{"landlock_restrict_self", "", "enter the domain: only what its rules grant is left"},

	{"memfd_create", "", "memory for a copy of this program"},
	{"sendfile", "", "copy this program"},
	{"fcntl", "F_ADD_SEALS", "the copy cannot be changed any more"},
	{"fcntl", "F_GETFD", "the descriptor must be open"},
	{"fcntl", "F_SETFD", "the next program gets this descriptor"},
	{"close_range", "", "descriptors of the caller that the payload is not to have"},
	{"close", "$supervisor", "the socket is not for the payload"},
	{"close", "$peer", "the supervisor's end of the socket, which only it may have"},
	{"close", "", "not needed any more, and not for the payload"},
	{"dup3", "", "give the descriptor the number that it is to have"},

	{"socket", "AF_INET", "a socket to configure the interface with"},
	{"socket", "", "a socket for what the payload is connected to"},
	{"ioctl", "SIOCSIFFLAGS", "bring up the interface"},
	{"bind", "", "the address of the socket"},
	{"listen", "", "others can connect to it"},
	{"connect", "", "connect to what is outside"},
	{"setsockopt", "", "an option of the socket"},

	{"execve", "", "become the program, which inherits all of this"},
	{"execveat", "", "become the program, which inherits all of this"},
}

// Purpose is a sentence about what an item is for, or "" for a step, whose text says it.
func (it Item) Purpose() string {
	if it.Step != nil {
		return ""
	}
	return PurposeOf(it.Text())
}

// PurposeOf is the same for the text of a call.
func PurposeOf(text string) string {
	name, _, _ := strings.Cut(text, "(")
	for _, p := range purposes {
		if p.call == name && hasAll(text, p.parts) {
			return p.says
		}
	}
	return ""
}

// hasAll reports whether a text has all parts of a list, between which there are blanks; a
// part in quotes or with a comma and a blank is one.
func hasAll(text, parts string) bool {
	if strings.Contains(parts, `"`) {
		return strings.Contains(text, parts)
	}
	for _, part := range strings.Fields(parts) {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}

// Cause is the flag, with its value, that has asked for the item, or "" if it is for no flag
// alone.
func (it Item) Cause() string {
	if it.Step != nil {
		return it.Step.For
	}
	return it.Op.Cause
}
