package hakoniwa

import "strings"

// reword says what a stage says with the flags of hk-run, or with the keys of its
// configuration where it has no flag.
func reword(stage, text string) string {
	text = phrases().Replace(text)
	for _, w := range stageFlags(stage) {
		text = replaceWord(text, w[0], w[1])
	}
	return text
}

// phrases are those in which stages name flags of other stages, or ones that hk-run does
// not have.
func phrases() *strings.Replacer {
	return strings.NewReplacer(
		"--share keyring", "in the chain that --print writes, hk-unshare --share keyring",
		"--propagation unchanged avoids", "in the chain that --print writes, hk-unshare --propagation unchanged avoids",
		"hk-limit --nofile", "--limit-nofile",
		"--no-nested-userns: ", "no_nested_userns in [process]: ",
		"hk-unshare --user --no-nested-userns", "no_nested_userns in [process]",
		"which hk-unshare --outlive prevents", "which outlive in [process] prevents",
		"is not mapped in this user namespace: see hk-idmap(1)", "is not mapped in this user namespace: --userns auto maps more",
		"are not mapped in this user namespace: see hk-idmap(1)", "are not mapped in this user namespace: --uidmap and --gidmap map them",
		"map more with hk-idmap --auto, or, as root, use hk-idmap --setgroups allow; or keep the groups with --groups keep", "--userns auto maps more",
		"--groups keep keeps the groups", `groups = "keep" in [user] keeps the groups`,
		"--groups: ", "groups in [user]: ",
		"or --ignore-missing", "or ignore_missing in [landlock]",
		": combine rules in one hk-landlock", "",
		"with --arch native", `with architectures = ["native"] in [seccomp]`,
		"use hk-setuser --caps none or --no-new-privs, or hk-unshare --init or --outlive", "use --caps none or --init, or leave out --allow-new-privs",
		": --proc=/proc:rw-sys leaves them writable", `: a mount with type = "proc" and options = ["rw-sys"] leaves them writable`,
		"add hk-unshare --user and hk-idmap, or use", "use",
		"to: --cgroup", "to: cgroup in [cgroup]",
		"name a directory with --cgroup", "name a directory as cgroup in [cgroup]",
		"may write to with --cgroup", "may write to as cgroup in [cgroup]",
	)
}

// stageFlags are the flags of a stage that hk-run has under another name.
func stageFlags(stage string) [][2]string {
	switch stage {
	case "hk-unshare":
		return [][2]string{{"--net", "--unshare-network"}, {"--ipc", "--unshare-ipc"}, {"--uts", "--unshare-uts"}, {"--cgroup", "--unshare-cgroup"}}
	case "hk-idmap":
		return [][2]string{{"--uid", "--uidmap"}, {"--gid", "--gidmap"}, {"--auto", "--userns auto"}}
	case "hk-mount":
		return [][2]string{{"--ro", "--bindmount-ro"}, {"--rw", "--bindmount-rw"}, {"--dev", "--devfs"}, {"--chdir", "--workdir"},
			{"--root", "--rootdir"}, {"--root-rw", "--rootdir"}}
	case "hk-net":
		return [][2]string{{"--pasta", "--network pasta"}}
	case "hk-limit":
		return [][2]string{{"--as", "--limit-as"}, {"--core", "--limit-core"}, {"--cpu", "--limit-cpu"}, {"--fsize", "--limit-fsize"},
			{"--nofile", "--limit-nofile"}, {"--wall", "--limit-walltime"}, {"--memory", "--cgroup-memory"}, {"--swap", "--cgroup-memory-swap"},
			{"--memory-low", "--cgroup-memory-reservation"}, {"--pids", "--cgroup-pids-limit"}, {"--cpus", "--cgroup-cpus"},
			{"--cpu-weight", "--cgroup-cpu-shares"}}
	case "hk-landlock":
		return [][2]string{{"--ro", "--landlock-fs-ro"}, {"--rw", "--landlock-fs-rw"}, {"--rx", "--landlock-fs-rx"},
			{"--tcp-bind", "--landlock-tcp-bind"}, {"--tcp-connect", "--landlock-tcp-connect"}, {"--restrict", "--landlock-restrict"}}
	case "hk-seccomp":
		return [][2]string{{"--profile", "--seccomp"}}
	}
	return nil
}

// replaceWord replaces a flag that is not a part of a longer word.
func replaceWord(text, flag, with string) string {
	var b strings.Builder
	for rest := text; ; {
		i := strings.Index(rest, flag)
		if i < 0 {
			b.WriteString(rest)
			return b.String()
		}
		after := rest[i+len(flag):]
		whole := (i == 0 || strings.IndexByte(" (,", rest[i-1]) >= 0) && (after == "" || strings.IndexByte(" =:,;)", after[0]) >= 0)
		b.WriteString(rest[:i])
		if whole {
			b.WriteString(with)
		} else {
			b.WriteString(flag)
		}
		rest = after
	}
}
