package test

// hakoniwaRows are grouped as the list is.
var hakoniwaRows = []hakoniwaRow{
	// Processes, and the order of the set-up.
	{row: 1, name: "process_1", script: `hk-run -- /bin/sh -c 'echo $$ $PPID'`, want: `1 0`},
	{row: 2, name: "nothing_in_tmpdir", script: `TMPDIR=$D hk-run -- /bin/true && ls -A`, want: ``},
	{row: 4, name: "failed_set_up", script: `hk-run -u 0:4000000000 -- /bin/echo started; echo $?`, as: "user",
		want: `hk-idmap: .*newuidmap.*\n(.*\n)?125`},
	{row: 5, name: "order", script: `hk-run --explain -- /bin/true | grep -oE 'clone3|uid_map|pivot_root|capset|seccomp\(|execve' | uniq`,
		want: `clone3\nuid_map\npivot_root\ncapset\nseccomp\(\nexecve`},
	{row: 6, name: "mounts_by_target", script: `mkdir -p a b/sub; touch a/x; hk-run -b $D/a:/data/sub -b $D/b:/data -- /bin/sh -c 'ls -A /data/sub; ls -A / | grep -c old'`,
		want: `x\n0`},
	{row: 7, name: "order_of_stages", script: `hk-run --user daemon --limit-core 0 --landlock-fs-rx / --print -- true | sed 's/ .*//' | uniq | tr '\n' ' '`,
		want: `hk-unshare hk-idmap hk-mount hk-setuser hk-landlock hk-limit hk-seccomp `},
	{row: 8, name: "proc", script: `hk-run -- /bin/sh -c 'cat /proc/1/comm; ls -A / | grep -c proc'`, want: `sh\n1`},
	{row: 10, name: "hostname_is_the_callers", script: `test "$(hk-run -- /bin/uname -n)" = "$(uname -n)" && echo same`, want: `same`},
	{row: 11, name: "dies_with_its_parent", script: `mkfifo f; exec 5<>f
		hk-run -B $D/f:/f -- /bin/sh -c 'echo started >/f; exec sleep 1000' & p=$!
		read -r word <&5; kill -9 $p; wait $p 2>/dev/null; exec 5<&-
		for i in 1 2 3 4 5 6 7 8 9 10; do fuser f >/dev/null 2>&1 || break; sleep 0.1; done; echo $word`, want: `started`},
	{row: 12, name: "descriptors", script: `hk-run -- /bin/sh -c 'ls /proc/$$/fd; :' 7</etc/passwd 100</etc/passwd`, want: `0\n1\n2`},
	{row: 13, name: "status", script: `hk-run --status-fd 3 -- /bin/sh -c 'exit 9' 3>status; echo $?; grep -c 9 status`, want: `9\n[1-9]`},

	// Namespaces, IDs, the user.
	{row: 14, name: "namespaces", script: `new --unshare-all`, want: `cgroup ipc mnt net pid user uts `},
	{row: 15, name: "defaults", script: `new; hk-run -- /bin/sh -c 'echo $(cat /proc/self/uid_map) $(cat /proc/self/gid_map)' | sed "s/\b$U $U\b/ID/; s/\b$G $G\b/ID/"`,
		want: `mnt pid user ID 1 ID 1`},
	{row: 16, name: "unshare_all", script: `new --unshare-all --unshare-uts`, want: `cgroup ipc mnt net pid user uts `},
	{row: 17, name: "unshare_one", script: `for n in cgroup ipc network uts; do new --unshare-$n; echo; done`,
		want: `cgroup mnt pid user \nipc mnt pid user \nmnt net pid user \nmnt pid user uts `},
	{row: 18, name: "share", script: `new --unshare-all --network host`, want: `cgroup ipc mnt pid user uts `},
	{row: 19, name: "hostname", script: `new --hostname box; hk-run --hostname box -- /bin/uname -n`, want: `mnt pid user uts box`},
	{row: 20, name: "maps", script: `hk-run -u 7 -g 8 -- /bin/sh -c 'id -u; id -g'; hk-run --uidmap 0:$U --gidmap 5:$G:1 -- /bin/sh -c 'id -u; id -g'`,
		want: `7\n8\n0\n5`},
	{row: 20, name: "map_of_four_parts", script: `hk-run -u 0:$U:1:9 -- /bin/true; echo $?`, want: `hk-run: (--uidmap|-u).*\nusage: .*\n2`},
	{row: 21, name: "setgroups_denied", script: `hk-run -u 0 -g 0 -- /bin/cat /proc/self/setgroups`, want: `deny`, as: "user"},
	{row: 22, name: "several_maps", script: `hk-run -u 0 -u 1:4000000:10 -g 0 -g 1:4000000:10 -- /bin/sh -c 'cat /proc/self/uid_map | tr -s " "'`,
		want: ` 0 0 1\n 1 4000000 10`, as: "root"},
	{row: 22, name: "several_maps_by_newuidmap", script: `first=$(awk -F: -v u=$(id -un) '$1 == u { print $2; exit }' /etc/subuid)
		hk-run -u 0 -u 1:$first:10 -- /bin/sh -c 'cat /proc/self/uid_map' | awk '{ print $1, $3 }'`, want: `0 1\n1 10`, as: "user", needs: "newuidmap"},
	{row: 23, name: "userns_auto", script: `hk-run --userns auto -- /bin/sh -c 'id -u; cat /proc/self/uid_map' | awk '{ print $1, $3 }'`,
		want: `0 \n0 1\n1 65536`, as: "user", needs: "newuidmap"},
	{row: 23, name: "userns_auto_is_the_only_one", script: `hk-run --userns all -- /bin/true; echo $?`, want: `hk-run: --userns.*\nusage: .*\n2`},
	{row: 24, name: "user", script: `mkdir -p r/etc
		printf 'root:x:0:0::/:/bin/sh\nann:x:7:8::/:/bin/sh\n' >r/etc/passwd
		printf 'root:x:0:\nstaff:x:8:\ndisk:x:9:ann\nbin:x:10:ann\n' >r/etc/group
		for u in ann ann:disk ann:staff:bin,disk; do
			hk-run --userns auto --rootfs none -b /usr -b $D/r/etc:/etc --symlink usr/bin:/bin --symlink usr/lib:/lib --symlink usr/lib64:/lib64 --user $u -- /bin/id
		done`, want: `uid=7\(ann\) gid=8\(staff\) groups=8\(staff\),9\(disk\),10\(bin\)\nuid=7\(ann\) gid=9\(disk\) groups=9\(disk\)\nuid=7\(ann\) gid=8\(staff\) groups=8\(staff\),9\(disk\),10\(bin\)`,
		as: "user", needs: "newuidmap"},
	{row: 25, name: "user_unknown", script: `hk-run --userns auto --user none-such -- /bin/true; echo $?`, want: `hk-setuser: .*none-such.*\n(.*\n)?125`},
	{row: 26, name: "user_has_no_capabilities", script: `hk-run --userns auto --user daemon -- /bin/grep -E 'CapEff|NoNewPrivs' /proc/self/status`,
		want: `CapEff:\t0{16}\nNoNewPrivs:\t1`, as: "user", needs: "newuidmap"},
	{row: 27, name: "user_needs_ids", script: `hk-run --user daemon -- /bin/true; echo $?`, want: `hk-setuser: .*\n(.*\n)?125`},

	// The root and mounts.
	{row: 28, name: "root_is_in_memory", script: `hk-run -- /bin/sh -c 'awk "\$5 == \"/\" { print \$4 }" /proc/self/mountinfo; stat -fc %T /'`, want: `/\ntmpfs`},
	{row: 29, name: "rootdir", script: `mkdir r; touch r/mine
		hk-run --rootdir r -- /bin/sh -c 'ls /mine; touch /x' 2>&1 | sed 's/.*: //'; hk-run --rootdir r:rw -- /bin/touch /x; ls -A r; readlink r/bin
		hk-run --rootdir r:ro -- /bin/true; echo $?; hk-run --rootdir none -- /bin/true; echo $?`,
		want: `/mine\nRead-only file system\nbin\netc\n(lib.*\n)+mine\nproc\nsbin\nusr\nx\nusr/bin\nhk-run: .*\nusage: .*\n2\nhk-run: .*none: .*\n1`},
	{row: 29, name: "one_rootdir_at_once", script: `mkdir r; for i in 1 2 3 4 5 6 7 8; do { hk-run --rootdir r --tmpfs /a/b -- /bin/true; echo $?; } & done; wait`, want: `(0\n?){8}`},
	{row: 29, name: "rootdir_with_a_bin", script: `mkdir -p r/bin r/usr r/etc; cp /bin/ls r/bin; hk-run --rootdir r --print -- /bin/ls | grep -c rootfs; hk-run --rootdir r --rootfs / --print -- /bin/ls | grep -c rootfs`,
		want: `0\n1`},
	{row: 30, name: "root_read_only", script: `hk-run -- /bin/sh -c 'mkdir /x' 2>&1 | sed 's/.*: //'`, want: `Read-only file system`},
	{row: 31, name: "rootfs", script: `mkdir -p f/data f/proc; echo a >f/file; echo b >f/data/b; ln -s data f/link
		hk-run --rootfs $D/f $bare -- /bin/sh -c 'cat /data/b; ls -A /'; readlink /bin; hk-run -- /bin/readlink /bin; hk-run --rootfs none -- /bin/true; echo $?`,
		want: `(?s)b\nbin\ndata\netc\nlib\nlib64\nlink\nproc\nusr\n(usr/bin\nusr/bin\n)?hk-seccomp: .*\n127`},
	{row: 32, name: "no_rootfs_with_a_file", script: `printf '[[mounts]]\nsource="/usr"\n' >c.toml; hk-run -c c.toml --print -- /bin/true | grep -c rootfs`, want: `0`},
	{row: 33, name: "bindmount_ro", script: `mkdir d; touch d/x; hk-run -b $D/d:/data -b $D/d -- /bin/sh -c "ls /data $D/d; touch /data/y" 2>&1 | sed 's/.*: Read/Read/'; hk-run -b /none-such -- /bin/true; echo $?`,
		want: `/data:\nx\n\n.*/d:\nx\nRead-only file system\nhk-run: .*/none-such: .*\n1`},
	{row: 34, name: "bindmount_rw", script: `mkdir d; hk-run -B $D/d:/data -- /bin/touch /data/y; ls d`, want: `y`},
	{row: 35, name: "bindmount_of_files", script: `echo a >x; hk-run -b $D/x:/some/where/x -b /dev/null:/null -- /bin/sh -c 'cat /some/where/x; echo lost >/null && stat -c %F /null'`,
		want: `a\ncharacter special file`},
	{row: 35, name: "mount_points_on_the_host", script: `mkdir a b; echo x >b/x; hk-run -B $D/a:/data -b $D/b:/data/new/dir -b $D/b/x:/data/file -- /bin/cat /data/new/dir/x /data/file; cd a && find . | sort; stat -c %s file`,
		want: `x\nx\n.\n./file\n./new\n./new/dir\n0`},
	{row: 35, name: "no_mount_points_in_what_is_read_only", script: `mkdir a b; hk-run -b $D/a:/data -b $D/b:/data/new -- /bin/echo started; echo $?; ls -A a`, want: `hk-mount: .*\n(.*\n)?125`},
	{row: 36, name: "last_mount_counts", script: `mkdir a b; touch a/a b/b; hk-run -b $D/a:/d -B $D/b:/d -- /bin/ls /d; hk-run -B $D/b:/d -b $D/a:/d/ -- /bin/ls /d`, want: `b\na`},
	{row: 37, name: "tmpfs", script: `hk-run --tmpfs /tmp -- /bin/sh -c 'stat -c %a /tmp; cp /bin/true /tmp/t && /tmp/t && echo runs; awk "\$5 == \"/tmp\" { print \$6 }" /proc/self/mountinfo'`,
		want: `1777\nruns\nrw,nosuid,nodev(,relatime)?`},
	{row: 38, name: "devfs", script: `hk-run --devfs /dev -- /bin/sh -c 'ls /dev | tr "\n" " "; readlink /dev/fd /dev/stdin /dev/ptmx; echo x >/dev/null; head -c 2 /dev/zero | wc -c; ls /dev/pts'`,
		want: `(console )?(core )?fd full null ptmx pts random shm stderr stdin stdout tty urandom zero /proc/self/fd\n(/proc/self/fd/)?(fd/)?0\npts/ptmx\n2\nptmx`},
	{row: 39, name: "procfs", script: `hk-run -- /bin/sh -c 'awk "\$5 == \"/proc\" { print \$6, \$(NF-2) }" /proc/self/mountinfo; cat /proc/self/comm'; hk-run -b /etc:/proc -- /bin/ls /proc/passwd`,
		want: `rw,nosuid,nodev,noexec(,relatime)? proc\ncat\n/proc/passwd`},
	{row: 41, name: "paths_are_absolute", script: `for f in "-b /etc:etc" "--tmpfs tmp" "--devfs dev" "--dir a" "--symlink a:b" "-w :usr"; do hk-run $f -- /bin/echo started 2>/dev/null; echo $?; done`,
		want: `[12]\n[12]\n[12]\n[12]\n[12]\n[12]`},
	{row: 42, name: "restrictions_stay", script: `mkdir t; unshare -rm sh -c 'mount -t tmpfs -o nosuid,nodev,noexec x t; hk-run -b $D/t:/d -- /bin/grep " /d " /proc/self/mountinfo' | grep -o 'ro,nosuid,nodev,noexec'`,
		want: `ro,nosuid,nodev,noexec`, needs: "unshare"},
	{row: 43, name: "file", script: `printf '[filesystem]\nfiles=[{destination="/a/b.txt", contents="text\\n"}]\n' | toml; hk-run -c c.toml -- /bin/cat /a/b.txt`, want: `text`},
	{row: 44, name: "dir", script: `hk-run --tmpfs /run --dir /run/a/b -- /bin/stat -c %a /run/a/b`, want: `700`},
	{row: 45, name: "symlink", script: `hk-run --symlink usr/bin:/x --symlink /etc/passwd:/y -- /bin/sh -c 'readlink /x /y; cd /x && echo there'; hk-run --symlink a:/etc -- /bin/true; echo $?`,
		want: `usr/bin\n/etc/passwd\nthere\nhk-mount: .*/etc.*\n(.*\n)?125`},
	{row: 46, name: "last_file_counts", script: `hk-run --dir /l --symlink a:/l -- /bin/readlink /l; hk-run --symlink a:/l --dir /l -- /bin/stat -c %F /l`, want: `a\ndirectory`},
	{row: 47, name: "propagation", script: `hk-run -- /bin/cat /proc/self/mountinfo | grep -cE ' (shared|master):'`, want: `0`},

	// The network.
	{row: 48, name: "network_none", script: `new --network none; hk-run --network none -- /bin/cat /proc/net/dev | sed -n 's/^ *\([a-z0-9]*\):.*/\1/p' | grep -v -e tunl -e sit -e gre -e ip6 -e erspan -e vti`,
		want: `mnt net pid user lo`},
	{row: 49, name: "network_host", script: `new --unshare-network --network host`, want: `mnt pid user `},
	{row: 50, name: "pasta", script: `hk-run --network pasta --print -- /bin/true | grep hk-net; hk-run --network 'pasta:-t,8080,--map-gw' --print -- /bin/true | grep hk-net`,
		want: `hk-net --pasta.*\nhk-net .*-t.*8080.*map-gw.*`},
	{row: 51, name: "pasta_fails", script: `hk-run --network pasta:--none-such -- /bin/echo started; echo $?`, want: `hk-net: .*\n(.*\n)*125`, needs: "pasta"},
	{row: 52, name: "network_unknown", script: `hk-run --network bridge -- /bin/echo started; echo $?`, want: `hk-run: --network.*\nusage: .*\n2`},

	// Limits.
	{row: 53, name: "all_limits", script: `printf '[[limits]]\ntype="msgqueue"\nvalue=4096\n' | toml; hk-run -c c.toml -- /bin/sh -c 'grep -i msgqueue /proc/self/limits | tr -s " "'`,
		want: `Max msgqueue size 4096 4096 bytes ?`},
	{row: 54, name: "limits", script: `hk-run --limit-as 4G --limit-core 0 --limit-cpu 7 --limit-fsize 1MiB --limit-nofile 64 -- /bin/sh -c 'ulimit -v; ulimit -Hv; ulimit -c; ulimit -t; ulimit -f; ulimit -n' | tr '\n' ' '`,
		want: `3906250 3906250 0 7 2048 64 `},
	{row: 55, name: "walltime", script: `hk-run --limit-walltime 1 -- /bin/sleep 1000; echo $?; hk-run --limit-walltime 0 -- /bin/true; echo $?`, want: `(hk-run: .*\n)?137\n0`},
	{row: 56, name: "cgroup", script: `hk-run --cgroup-memory 32M --cgroup-memory-swap 48M --cgroup-cpus 1.5 --cgroup-pids-limit 9 --print -- true | grep hk-limit
		hk-run --cgroup-cpu-quota 50000 --cgroup-cpu-period 100000 --print -- true | grep hk-limit`,
		want: `hk-limit .*--pids=9.*\n?.*\nhk-limit .*0.5.*`},
	{row: 57, name: "cgroup_size", script: `hk-run --cgroup-memory lots -- /bin/echo started; echo $?`, want: `hk-run: --cgroup-memory.*\nusage: .*\n2`},
	{row: 58, name: "report", script: `hk-run --report r.json -- /bin/true; grep -o '"[a-z_]*":' r.json | tr -d '\n'`, want: `.*"wall_us":"user_us":"system_us":"peak_memory_bytes":.*`},
	{row: 61, name: "report_at_the_end", script: `hk-run --report - --limit-walltime 100 -- /bin/sh -c 'exit 3' | head -1`, want: `\{.*`},

	// Landlock.
	{row: 62, name: "landlock_resources", script: `hk-run --landlock-restrict-all --landlock-fs-rx / --print -- true | grep hk-landlock`, want: `hk-landlock .*--restrict=fs --restrict=tcp-bind --restrict=tcp-connect.*`},
	{row: 63, name: "landlock_fs", script: `hk-run --tmpfs /run --landlock-fs-rx / -- /bin/sh -c 'touch /run/x' 2>&1 | sed 's/.*: //'`, want: `Permission denied`},
	{row: 64, name: "landlock_letters", script: `for a in r-x RX rwx rq; do printf '[landlock]\nfs=[{path="/", access="%s"}]\n' $a | toml; hk-run -c c.toml -- /bin/true; echo $?; done`,
		want: `0\n0\n0\nhk-run: .*\n1`},
	{row: 65, name: "landlock_flags", script: `hk-run --tmpfs /tmp --tmpfs /run --landlock-fs-rx /usr:/bin,/lib --landlock-fs-rx /lib64 --landlock-fs-rw /tmp --landlock-fs-ro /etc -- /bin/sh -c 'echo a >/tmp/x && cat /tmp/x; head -c 4 /etc/passwd; echo; ls /run' 2>&1 | sed 's/.*: //'`,
		want: `a\nroot\nPermission denied`},
	{row: 65, name: "landlock_older_flag", script: `hk-run --landlock-restrict fs,tcp.bind --landlock-fs-rx / --print -- true | grep -o -e '--restrict=[a-z-]*'`, want: `--restrict=fs\n--restrict=tcp-bind`},
	{row: 66, name: "landlock_missing_path", script: `hk-run --landlock-fs-rx / --landlock-fs-ro /none-such -- /bin/echo started; echo $?`, want: `hk-landlock: .*/none-such.*\n(.*\n)?125`},
	{row: 67, name: "landlock_one_path_twice", script: `hk-run --tmpfs /tmp --landlock-fs-rx / --landlock-fs-rw /tmp --landlock-fs-ro /tmp -- /bin/sh -c 'echo a >/tmp/x && cat /tmp/x'`, want: `a`},
	{row: 68, name: "landlock_rules_restrict", script: `printf '[landlock]\nfs=[{path="/usr", access="rx"}, {path="/bin", access="rx"}, {path="/lib", access="rx"}, {path="/lib64", access="rx"}]\n' | toml; hk-run -c c.toml -- /bin/sh -c 'cat /etc/passwd' 2>&1 | sed 's/.*: //'`,
		want: `Permission denied`},
	{row: 69, name: "landlock_unrestrict", script: `printf '[landlock]\nresources=[{type="fs"}, {type="fs", unrestrict=true}]\nfs=[{path="/usr", access="rx"}]\n' | toml; hk-run -c c.toml -- /bin/cat /etc/passwd >/dev/null && echo read`, want: `read`},
	{row: 70, name: "landlock_ports", script: `for f in "--landlock-tcp-bind abc" "--landlock-tcp-connect 65536"; do hk-run $f -- /bin/echo started; echo $?; done`,
		want: `(hk-run: --landlock-tcp-.*\nusage: .*\n2\n?){2}`},
	{row: 71, name: "no_landlock", script: `hk-run --print -- true | grep -c hk-landlock`, want: `0`},
	{row: 72, name: "landlock_nothing_allowed", script: `hk-run --landlock-restrict-fs -- /bin/echo started; echo $?`, want: `hk-seccomp: .*permission denied\n(.*\n)?126`},
	{row: 73, name: "landlock_before_seccomp", script: `hk-run --landlock-fs-rx / -- /bin/grep NoNewPrivs /proc/self/status`, want: `NoNewPrivs:\t1`},

	// Seccomp.
	{row: 74, name: "seccomp", script: `for p in podman audit unconfined; do hk-run --seccomp $p -- /bin/grep Seccomp: /proc/self/status; done; hk-run --seccomp none-such -- /bin/true; echo $?`,
		want: `Seccomp:\t2\nSeccomp:\t2\nSeccomp:\t0\nhk-run: .*none-such.*\n1`},
	{row: 75, name: "seccomp_file", script: `echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO"}]}' >p.json
		hk-run --tmpfs /tmp --seccomp p.json -- /bin/mkdir /tmp/x 2>&1 | sed 's/.*: //'`, want: `Operation not permitted`},
	{row: 76, name: "seccomp_actions", script: `for a in ALLOW KILL KILL_PROCESS; do echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_'$a'"}]}' >p.json
		hk-run --tmpfs /tmp --seccomp $D/p.json -- /bin/sh -c '(mkdir /tmp/x); echo $?' 2>/dev/null; done`, want: `0\n159\n159`},
	{row: 77, name: "seccomp_arguments", script: `echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["umask"],"action":"SCMP_ACT_ERRNO","errnoRet":13,"args":[{"index":0,"value":7,"valueTwo":7,"op":"SCMP_CMP_MASKED_EQ"}]}]}' >p.json
		hk-run --seccomp p.json -- /bin/sh -c 'umask 077; umask; umask 020; umask'`, want: `0000|00[0-7]{2}\n0020`},
	{row: 78, name: "seccomp_architectures", script: `echo '{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_AARCH64"],"syscalls":[]}' >p.json
		hk-run --seccomp p.json -- /bin/true; echo $?; sed -i s/X86_64/NONE/ p.json; hk-run --seccomp p.json -- /bin/true; echo $?`, want: `0\nhk-seccomp: .*NONE.*\n125`},
	{row: 79, name: "seccomp_capabilities", script: `hk-run --tmpfs /tmp -- /bin/sh -c 'unshare -m true; mount -t tmpfs x /tmp' 2>&1 | sed 's/.*: //; s/permission denied/denied/'`, want: `(?s).*Operation not permitted.*`, needs: "unshare"},
	{row: 80, name: "seccomp_unknown_call", script: `echo '{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["no_such_call"],"action":"SCMP_ACT_KILL"}]}' >p.json; hk-run --seccomp p.json -- /bin/echo started; echo $?`,
		want: `hk-seccomp: .*"no_such_call".*\n125`},
	{row: 81, name: "no_new_privs", script: `hk-run --seccomp unconfined -- /bin/grep NoNewPrivs /proc/self/status`, want: `NoNewPrivs:\t1`},
	{row: 82, name: "podman", script: `hk-run -- /bin/sh -c 'grep Seccomp: /proc/self/status; mount -t tmpfs x /proc' 2>&1 | sed 's/.*: //; s/\.$//'`, want: `Seccomp:\t2\n.*(denied|not permitted|superuser.*)(\n.*)?`},
	{row: 83, name: "seccomp_kills", script: `echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_KILL_PROCESS"}]}' >p.json
		hk-run --seccomp p.json -- /bin/mkdir /tmp/x; echo $?`, want: `(Bad system call.*\n)?159`},

	// The command.
	{row: 84, name: "command_line", script: `echo 'echo shell' | hk-run; echo 'echo shell' | hk-run --; hk-run true; echo $?; hk-run --none-such -- true 2>&1; echo $?`,
		want: `shell\nshell\nhk-run: .*--.*\nusage: .*\n2\nhk-run: .*\nusage: .*\n2`},
	{row: 85, name: "looked_up_outside", script: `mkdir p; printf '#!/bin/sh\necho mine\n' >p/mine; chmod 755 p/mine; PATH=$D/p:$PATH hk-run -b $D/p -- mine; hk-run -- none-such; echo $?`,
		want: `mine\nhk-seccomp: .*none-such.*\n(.*\n)?127`},
	{row: 86, name: "argv_0", script: `hk-run -- cat /proc/self/cmdline | tr '\0' '\n' | head -1`, want: `/.*/cat`},
	{row: 87, name: "environment", script: `hk-run -- /usr/bin/env; hk-run -e A=1 --setenv B= -e SEEN -e UNSEEN -e A=2 -- /usr/bin/env | sort`,
		want: `A=2\nB=\nSEEN=by the caller\nUNSEEN=`},
	{row: 88, name: "workdir", script: `mkdir w; hk-run -w $D/w -- /bin/sh -c 'pwd; touch x'; ls w; cd w && hk-run -w . -- /bin/pwd; hk-run -w :/usr -- /bin/pwd`, want: `/.*/w\nx\n/.*/w\n/usr`},
	{row: 89, name: "default_directory", script: `hk-run -- /bin/pwd; hk-run -w :/none-such -- /bin/echo started; echo $?`, want: `/\nhk-mount: .*/none-such.*\n(.*\n)?125`},
	{row: 92, name: "exit_status", script: `hk-run -- /bin/sh -c 'exit 7'; echo $?; hk-run --limit-walltime 1 -- sleep 9; echo $?; hk-run -- /none-such; echo $?; hk-run -- /etc/passwd; echo $?`,
		want: `7\n137\nhk-seccomp: .*\n(.*\n)?127\nhk-seccomp: .*\n(.*\n)?126`},
	{row: 93, name: "killed_from_outside", script: `hk-run -- /bin/sleep 1000 & p=$!; kill -9 $p; wait $p 2>/dev/null; echo $?`, want: `137`},
	{row: 94, name: "errors_of_settings", script: `hk-run -b /none-such -- /bin/true; echo $?; hk-run -c none-such.toml -- /bin/true; echo $?`, want: `hk-run: .*/none-such.*\n1\nhk-run: .*none-such.toml.*\n1`},
	{row: 95, name: "allow_new_privs", script: `hk-run --allow-new-privs -- /bin/grep NoNewPrivs /proc/self/status`, want: `NoNewPrivs:\t0`},
	{row: 96, name: "sigpipe", script: `hk-run -- /bin/sh -c 'yes | head -1; grep SigIgn /proc/self/status'`, want: `y\nSigIgn:\t[0-9a-f]{12}[02468ace][0-9a-f]{3}`},
	{row: 97, name: "what_is_not_a_flag", script: `hk-run --allow-new-privs --print -- true | grep -c no-new-privs`, want: `0`},
	{row: 98, name: "config", script: `printf 'hostname="box"\n[command]\ncmdline=["/bin/sh","-c","uname -n; pwd"]\ncwd="/usr"\n' | toml; hk-run -c c.toml; hk-run -c c.toml -e A=1 -- /usr/bin/env`, want: `box\n/usr\nA=1`},
	{row: 99, name: "errors", script: `hk-run --dir /proc/none-such -- /bin/true; echo $?`, want: `hk-mount: .*/proc/none-such.*: .*\n(.*\n)?125`},
}
