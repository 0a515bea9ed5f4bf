package hakoniwa

import "hk/pkg/getopt"

// Usage is the text of --help.
const Usage = usageLine + `: run a command in a sandbox

 --unshare-all --unshare-cgroup --unshare-ipc --unshare-network --unshare-uts
 --rootdir DIR[:rw]  --rootfs DIR|none  --hostname NAME  --user USER[:GROUP[:G1,G2]]
 -b, --bindmount-ro SRC[:DST]  -B, --bindmount-rw SRC[:DST]  -w, --workdir DIR|:DIR
 --devfs DST  --tmpfs DST  --dir DST  --symlink TEXT:LINK
 --userns auto  -u, --uidmap IN[:OUT[:N]]  -g, --gidmap IN[:OUT[:N]]
 --network none|host|pasta[:ARG,...]  -e, --setenv NAME[=VALUE]
 --limit-as N --limit-core N --limit-fsize N --limit-nofile N --limit-cpu SECONDS
 --limit-walltime SECONDS  --cgroup-cpus F  --cgroup-memory N  --cgroup-memory-swap N
 --cgroup-pids-limit N  --landlock-restrict-all  --landlock-restrict-fs
 --landlock-restrict-tcp-bind  --landlock-restrict-tcp-connect
 --landlock-fs-ro PATH,...  --landlock-fs-rw PATH,...  --landlock-fs-rx PATH,...
 --landlock-tcp-bind PORT,...  --landlock-tcp-connect PORT,...
 --seccomp podman|audit|unconfined|FILE  --allow-new-privs
 -c, --config FILE  -q, --quiet  -v, --verbose  -h, --help
Of older versions
 --cgroup-cpu-shares N  --cgroup-cpu-period US  --cgroup-cpu-quota US
 --cgroup-memory-limit N  --cgroup-memory-reservation N  --landlock-restrict LIST
Besides
 --print[=again...]  --from-systemd UNIT|FILE  --init  --setsid  --caps LIST  --report FILE
 --explain[=text|json|why|diff|diff:FILE]  --why  --status-fd N  --version
Of N, 1k is 1000 and 1KiB is 1024. See hk-run(1).
`

// Flags adds the flags of the command line to fs.
func Flags(fs *getopt.Flags) { new(line).flags(&flags{Flags: fs}) }
