package test

// bwrapRows are grouped as bubblewrap's manual page is.
var bwrapRows = []bwrapRow{
	// Roots and mounts.
	{name: "usr", script: `$B --ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64 --proc /proc --dev /dev --unshare-all "$@"`, differs: capsOfRoot + "|" + nested},
	{name: "root_ro", script: `$B --ro-bind / / --proc /proc "$@"`},
	{name: "root_rw", script: `$B --bind / / --proc /proc --dev /dev "$@"`, differs: nested},
	{name: "root_dev", script: `$B --dev-bind / / "$@"`},
	{name: "root_twice", script: `$B --tmpfs / --dir /a --ro-bind / / "$@"`},
	{name: "root_tmpfs", script: `$B --perms 0711 --tmpfs / --ro-bind /usr /usr --ro-bind-try /bin /bin --ro-bind-try /lib /lib --ro-bind-try /lib64 /lib64 --proc /proc "$@"`},
	{name: "root_of_a_directory", script: `mkdir -p r/usr r/proc; for d in bin lib lib64; do ln -s usr/$d r/$d; done
		$B --bind r / --ro-bind /usr /usr --unshare-pid --proc /proc --dev /dev --dir /new "$@"`, differs: nested},
	{name: "root_of_a_descriptor", script: `mkdir -p r/usr r/proc; for d in bin lib lib64; do ln -s usr/$d r/$d; done
		$B --bind-fd 5 / --ro-bind-fd 6 /usr --unshare-pid --proc /proc --dir /new "$@" 5<r 6</usr; $B --ro-bind-fd 5 / --proc /proc "$@" 5</; $B --ro-bind-fd 6 /mnt --ro-bind-fd 5 / --tmpfs /tmp --bind-fd 5 /tmp/x sh -c 'echo >/x; ls /tmp/x/file; ls /proc/self/fd' 5</ 6<src; $B --bind-fd 5 / true 5<src/file`, since: "0.10.0"},
	{name: "root_remounted", script: `$B --ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64 --proc /proc --remount-ro / "$@"; $B --bind / / --remount-ro / "$@"`},
	{name: "binds", script: `$B --ro-bind / / --bind src /mnt --ro-bind src/file /mnt/sub/../file --dev-bind-try /none /x --tmpfs /tmp --bind src /tmp/a/b --ro-bind link /tmp/link --proc /proc "$@"`},
	{name: "binds_create", script: `$B --bind / / --bind $PWD $PWD --bind src $PWD/newdir --ro-bind src/file $PWD/newfile --proc /proc "$@"`},
	{name: "order", script: `$B --ro-bind / / --tmpfs /tmp --bind src /tmp/a --tmpfs /tmp/a/sub --ro-bind src/file /tmp/a/sub/f --tmpfs /mnt --bind src /mnt "$@"`},
	{name: "tmpfs", script: `$B --ro-bind / / --tmpfs /tmp --perms 1777 --tmpfs /mnt --size 1048576 --tmpfs /opt --perms 0700 --size 4096 --tmpfs /srv --proc /proc "$@"`},
	{name: "dirs", script: `$B --ro-bind / / --tmpfs /tmp --dir /tmp/a/b --perms 0700 --dir /tmp/c/d --perms 2770 --dir /tmp/e --dir /tmp/e --chmod 0500 /tmp/e --symlink /x /tmp/f/g "$@"`},
	{name: "dirs_create", script: `$B --bind / / --bind $PWD $PWD --perms 0700 --dir $PWD/a/b --dir $PWD/c --perms 0711 --dir $PWD/src --chmod 0711 $PWD/c --symlink to $PWD/l "$@"`},
	{name: "through_links", script: `$B --ro-bind / / --tmpfs /tmp --dir /tmp/dir --symlink dir /tmp/link --bind src /tmp/link "$@"; $B --ro-bind / / --tmpfs /tmp --dir /tmp/dir --symlink dir /tmp/link --bind src /tmp/link/sub "$@"`, since: "0.12.0"},
	{name: "mqueue", script: `$B --ro-bind / / --unshare-ipc --mqueue /mnt --proc /proc "$@"`, differs: ` mqueue `},
	{name: "relative_targets", script: `$B --ro-bind / / --tmpfs tmp --dir tmp/x "$@"`},
	{name: "remount", script: `$B --ro-bind / / --tmpfs /tmp --bind src /tmp/a --remount-ro /tmp "$@"`},

	// Namespaces and IDs.
	{name: "namespaces", script: `for n in user-try ipc pid net uts cgroup-try; do $B --unshare-$n --dev-bind / / --proc /proc "$@"; done`, differs: capsOfRoot},
	{name: "share_net", script: `$B --unshare-all --share-net --dev-bind / / --proc /proc "$@"`, differs: capsOfRoot},
	{name: "ids", script: `$B --unshare-user --uid 5 --gid 6 --ro-bind / / --proc /proc "$@"; $B --unshare-user --uid 0 --ro-bind / / --proc /proc "$@"`, differs: capsOfRoot + `|^Groups`},
	{name: "hostname", script: `$B --unshare-uts --hostname box --ro-bind / / "$@"`},
	{name: "as_pid_1", script: `$B --unshare-pid --as-pid-1 --ro-bind / / --proc /proc "$@"`},
	{name: "new_session", script: `$B --unshare-pid --new-session --ro-bind / / --proc /proc "$@"`},
	{name: "die_with_parent", script: `$B --die-with-parent --unshare-pid --ro-bind / / --proc /proc "$@"`},

	// The environment and the program.
	{name: "environment", script: `$B --ro-bind / / --setenv A '' --unsetenv VAR --setenv B=x y --setenv B 'x y' "$@"; $B --ro-bind / / --clearenv --setenv PATH /usr/bin:/bin "$@"; $B --ro-bind / / --setenv A b --clearenv /usr/bin/env`},
	{name: "directory", script: `for o in '--chdir /etc' '--chdir usr' '--tmpfs /tmp' "--tmpfs /tmp --bind home $HOME" '--tmpfs /tmp --setenv HOME /usr'; do $B --ro-bind / / $o sh -c 'pwd; echo $PWD'; done`},
	{name: "status", script: `for c in 'exit 0' 'exit 42' 'kill -TERM $$' 'kill -KILL $$' 'kill -SEGV $$'; do $B --ro-bind / / sh -c "$c" 2>/dev/null; echo $?; $B --unshare-pid --ro-bind / / sh -c "$c"; echo $?; done`},
	{name: "arguments", script: `printf '%s\0' --ro-bind / / --setenv A b >a; printf '%s\0' --tmpfs /tmp ignored >b; $B --args 5 --args 6 --proc /proc -- "$@" 5<a 6<b; cat a | $B --args 0 true`},
	{name: "descriptors", script: `$B --ro-bind / / "$@" 7</etc/passwd 100</dev/null`},

	// Capabilities.
	{name: "capabilities", script: `for o in '--cap-add CAP_NET_ADMIN' '--cap-drop ALL --cap-add cap_kill' '--cap-drop CAP_KILL' '--cap-add CAP_KILL --cap-drop all' '--unshare-user --uid 5 --cap-add CAP_KILL'; do
			$B --ro-bind / / $o grep Cap /proc/self/status; done`, differs: `^$`, as: "user"},
	{name: "capabilities_of_root", script: `for o in '' '--cap-add CAP_NET_ADMIN' '--cap-drop ALL --cap-add cap_kill' '--cap-drop CAP_KILL' '--cap-drop ALL' '--cap-add CAP_KILL --cap-drop all'; do
			$B --ro-bind / / $o grep -E 'Cap(Prm|Eff)' /proc/self/status; done`, as: "root"},

	// The options that programs give, in their order, with other directories: gnome-desktop's
	// gnome-desktop-thumbnail-script.c, WebKit's BubblewrapLauncher.cpp, flatpak-run.c,
	// pressure-vessel, nixpkgs' build-fhsenv-bubblewrap, sandbox-runtime's
	// linux-sandbox-utils.ts, codex-rs/linux-sandbox, gemini-cli's bwrapArgsBuilder.ts.
	{name: "gnome_thumbnailer", script: makeFilter + `; $B --ro-bind /usr /usr --ro-bind-try /etc/ld.so.cache /etc/ld.so.cache ` + merged + ` --ro-bind-try /var/cache/fontconfig /var/cache/fontconfig --setenv GST_REGISTRY_1_0 $PWD/home/gst.bin --bind $PWD/home $PWD/home --ro-bind-try /etc/alternatives /etc/alternatives --proc /proc --dev /dev --chdir / --setenv GIO_USE_VFS local --unshare-all --die-with-parent --bind home /tmp --ro-bind src/file /tmp/gnome-desktop-file-to-thumbnail.png ` + noFilter + ` "$@" 9<filter`, differs: capsOfRoot + "|" + nested},
	{name: "webkit", script: `printf '%s\0' --die-with-parent --unshare-pid --unshare-uts --unshare-net --ro-bind /etc /etc --dev /dev --proc /proc --tmpfs /tmp --unsetenv TMPDIR --dir /run --symlink ../run /var/run --symlink ../tmp /var/tmp --ro-bind /sys/block /sys/block --ro-bind /sys/bus /sys/bus --ro-bind /sys/class /sys/class --ro-bind /sys/dev /sys/dev --ro-bind /sys/devices /sys/devices \
			--ro-bind-try /usr/share /usr/share --ro-bind-try /usr/local/share /usr/local/share --ro-bind-try /lib /lib --ro-bind-try /usr/lib /usr/lib --ro-bind-try /usr/local/lib /usr/local/lib --ro-bind-try /lib64 /lib64 --ro-bind-try /usr/lib64 /usr/lib64 --ro-bind /usr/bin /usr/bin --symlink usr/bin /bin \
			--setenv LD_LIBRARY_PATH /x --ro-bind-data 5 /.flatpak-info --unshare-ipc --ro-bind-try /none /none --bind-try $PWD/src $PWD/src --dev-bind-try /dev/dri /dev/dri --dev-bind-try /none /none --seccomp 9 >args; ` + makeFilter + `
		$B --args 4 -- "$@" 4<args 5<src/file 9<filter`,
		differs: nested + "| /.flatpak-info "},
	{name: "flatpak", script: `printf '%s\0' --ro-bind-fd 6 /usr --lock-file /usr/bin/env --ro-bind-fd 7 /app --symlink usr/lib /lib --symlink usr/lib64 /lib64 --symlink usr/bin /bin --unshare-ipc --unshare-net --dev /dev --dev-bind-try /dev/ntsync /dev/ntsync --tmpfs /dev/shm --unshare-user --disable-userns --proc /proc --unshare-pid --dir /tmp --dir /var/tmp --dir /run/host --perms 0700 --dir /run/user/1000 --setenv XDG_RUNTIME_DIR /run/user/1000 --symlink ../run /var/run --ro-bind-try /proc/self/ns/user /run/.userns --symlink /etc/timezone /var/db/zoneinfo \
			--ro-bind /sys/block /sys/block --ro-bind /sys/bus /sys/bus --ro-bind /sys/class /sys/class --ro-bind /sys/dev /sys/dev --ro-bind /sys/devices /sys/devices --die-with-parent --ro-bind-data 5 /etc/passwd --ro-bind-try /etc/resolv.conf /etc/resolv.conf --tmpfs /run/host/fonts-cache --remount-ro /run/host/fonts-cache --perms 0600 --file 8 /.flatpak-info --setenv container flatpak --symlink /app/lib/debug/source /run/build --bind home $HOME --chdir $HOME --seccomp 9 --clearenv --setenv PATH /usr/bin >args; ` + makeFilter + `
		$B --args 4 --info-fd 3 -- "$@" 4<args 5<src/file 6</usr 7<src 8<src/file 9<filter 3>info; grep -c child-pid info`,
		since: "0.10.0", differs: nested + "|" + capsOfRoot + "| /etc/passwd | /run/.userns |^descriptor (3|5|6|7|8|9)$"},
	{name: "pressure_vessel", script: `printf '%s\0' --ro-bind / / --dev-bind /dev /dev --proc /proc --ro-bind /sys /sys --tmpfs /run --bind-try /run/systemd /run/systemd --tmpfs /tmp --bind src /tmp/overrides --symlink ../tmp /run/tmp --tmpfs /tmp/.X11-unix --dir /run/host --bind home $HOME --ro-bind-data 5 /run/host/container-manager --setenv LD_LIBRARY_PATH /x --unsetenv LD_PRELOAD --chdir $HOME >args
		$B --bind / / true; $B --args 4 "$@" 4<args 5<src/file`, differs: "^CapBnd| /run/host/container-manager |^mount /[^ ]* /sys "},
	{name: "nix", script: `$B --dev-bind /dev /dev --proc /proc --chdir "$PWD" --die-with-parent --bind src /nix --tmpfs /usr/lib/x --tmpfs /etc --symlink /etc/ld.so.conf /usr/lib/x/ld.so.conf --ro-bind /etc/hosts /usr/lib/x/rpc --remount-ro /usr/lib/x --symlink /x/init /init --ro-bind /usr /usr --ro-bind /etc/hostname /etc/hostname --ro-bind /etc /.host-etc ` + merged + ` --symlink /.host-etc/passwd /etc/passwd --symlink /.host-etc/resolv.conf /etc/resolv.conf --bind "$PWD" "$PWD" --tmpfs /tmp/.X11-unix --ro-bind-try /tmp/.X11-unix/X0 /tmp/.X11-unix/X0 "$@"`},
	{name: "sandbox_runtime", script: `mkdir -p $PWD/.git/hooks; $B --new-session --die-with-parent --unshare-net --bind src/file $PWD/src/file --setenv HTTP_PROXY http://localhost:3128 --setenv no_proxy localhost,127.0.0.1 --ro-bind / / --bind $PWD $PWD --ro-bind $PWD/.git/hooks $PWD/.git/hooks --tmpfs $PWD/home --ro-bind /dev/null $PWD/src/file --dev /dev --unshare-pid --proc /proc -- sh -c 'exec "$@"' sh "$@"`, differs: nested},
	{name: "codex", script: `mkdir -p .git .codex; $B --new-session --die-with-parent --ro-bind / / --dev /dev --bind $PWD $PWD --ro-bind $PWD/.codex $PWD/.codex --ro-bind $PWD/.git $PWD/.git --ro-bind /dev/null $PWD/.agents --unshare-pid --unshare-net --proc /proc -- "$@"; $B --new-session --die-with-parent --bind / / --unshare-pid --unshare-net --proc /proc -- "$@"`,
		differs: nested},
	{name: "gemini_cli", script: `mkdir -p tree/.git; $B --unshare-all --new-session --die-with-parent --share-net --ro-bind / / --dev /dev --proc /proc --tmpfs /tmp --bind-try $PWD/tree $PWD/tree --ro-bind-try $PWD/none $PWD/none --ro-bind $PWD/tree/.git $PWD/tree/.git --tmpfs $PWD/home --remount-ro $PWD/home --ro-bind /dev/null $PWD/src/file -- "$@"`, differs: nested + "|" + capsOfRoot},

	{name: "codex_unreadable", script: `$B --argv0 codex-linux-sandbox --new-session --die-with-parent --unshare-user --unshare-pid --ro-bind / / --dev /dev --bind $PWD $PWD --perms 111 --tmpfs $PWD/src --dir $PWD/src/sub --bind work $PWD/src/sub --remount-ro $PWD/src --perms 000 --tmpfs $PWD/home --remount-ro $PWD/home --perms 555 --tmpfs $PWD/.codex --remount-ro $PWD/.codex \
			--perms 000 --ro-bind-data 5 $PWD/lower/file --ro-bind-data 6 $PWD/.agents --unshare-net --proc /proc --unsetenv LD_PRELOAD --unsetenv LD_LIBRARY_PATH --cap-drop ALL --cap-add CAP_NET_BIND_SERVICE --cap-add CAP_SETPCAP --dir /tmp --perms 444 --ro-bind-data 7 $PWD/ca -- sh -c 'ls -ld src src/sub home .codex lower/file .agents ca | cut -c1-10; cat ca; cat lower/file; echo x >.codex/x; echo x >>.agents; echo x >src/sub/x; "$@"' sh "$@" 5</dev/null 6</dev/null 7<src/file`,
		since: "0.9.0", differs: nested + "|^CapBnd| /[^ ]*/(file|.agents|ca) "},
	{name: "gemini_cli_args", script: `mkdir tree; touch tree/secret; printf '%s\0' --unshare-all --new-session --die-with-parent --ro-bind / / --dev /dev --proc /proc --tmpfs /tmp --bind-try $PWD/tree $PWD/tree --symlink /dev/null $PWD/tree/.git --bind src/file $PWD/tree/secret --ro-bind-try $PWD/none/x $PWD/none/x --seccomp 9 >args; ` + makeFilter + `
		sh -c 'filter="$1"; args="$2"; shift 2; exec $B --args 8 "$@" 8<"$args" 9<"$filter"' _ filter args -- "$@"`, differs: nested + "|" + capsOfRoot},
	{name: "sandbox_runtime_masks", script: `mkdir -p fake tree/a tree/b; echo fake >fake/token; touch tree/token; ln -s ../src/file tree/l; $B --new-session --die-with-parent --unsetenv VAR --setenv TOKEN fake --unshare-net --ro-bind / / --bind $PWD/tree $PWD/tree --tmpfs $PWD/src --bind $PWD/tree/a $PWD/src/a --ro-bind $PWD/tree/b $PWD/src/b --ro-bind $PWD/fake/token $PWD/tree/token --ro-bind /dev/null $PWD/tree/none --ro-bind $PWD/fake $PWD/fake --dev /dev --unshare-pid --proc /proc -- sh -c 'cat tree/token; cat tree/l; echo x >tree/token; echo x >src/a/x; echo x >src/b/x; "$@"' sh "$@"
		$B --ro-bind / / --bind $PWD/tree $PWD/tree --ro-bind /dev/null $PWD/tree/l true`, since: "0.12.0", differs: nested},
	{name: "flatpak_apply_extra", script: `$B --ro-bind-fd 5 /usr ` + merged + ` --ro-bind-fd 6 /app --bind-fd 7 /app/sub --bind-fd 8 /run/ld-so-cache-dir --unshare-pid --unshare-ipc --unshare-net --proc /proc --dev /dev --perms 0755 --dir /etc --bind-data 9 /etc/passwd --sync-fd 4 --chdir /app/sub --cap-drop ALL "$@" 5</usr 6<src 7<home 8<work 9<src/file 4</dev/null`,
		since: "0.10.0", differs: nested + "|" + capsOfRoot + "| /etc/passwd |^descriptor"},

	// Errors.
	{name: "unknown", script: `$B --bogus; echo $?; $B -x; echo $?; $B - ; echo $?; $B --bind; echo $?; $B --overlay a 2>/dev/null; $B --setenv A; $B --uid; $B --chdir; $B --uid a; $B --uid -1; $B --gid ''`},
	{name: "refused", script: `$B --hostname x --ro-bind / / true; $B --as-pid-1 --ro-bind / / true; $B --disable-userns --ro-bind / / true; $B --perms 0700 --bind / / true; $B --perms 999 --dir /x; $B --perms 7 --perms 7 --dir /x
		$B --size 5 --dir /x true; $B --size 0 --tmpfs /x; $B --size 1k --tmpfs /x; $B --cap-add nope; $B --args 77 true; $B --args x; $B --setenv A=b c true; $B --unsetenv = true; $B --lock-file x --unshare-pid --as-pid-1 --bind / / true
		$B --seccomp 0 --add-seccomp-fd 0 --bind / / true; $B --chmod 8 /a true; $B --chdir / --chdir / --ro-bind / / true; $B --uid 1 --uid 2 --bogus`},
	{name: "numbers", script: `for v in '' 8 10000 7777 -1 ' 755' +755 0755x 0x1ff 99999999999999999999999; do $B --ro-bind / / --tmpfs /tmp --dir /tmp/x --chmod "$v" /tmp/x stat -c %a /tmp/x; $B --ro-bind / / --tmpfs /tmp --perms "$v" --tmpfs /tmp/x stat -c %a /tmp/x; done
		for v in '' 0 -1 ' 5' +5 0x100000 0X100000 0x 010000 08 4096.0 9223372036854775808 18446744073709551616; do $B --ro-bind / / --tmpfs /tmp --size "$v" --tmpfs /tmp/x sed -n 's/.* .tmp.x .*\(size=[0-9]*k\).*/\1/p' /proc/self/mountinfo; done
		for v in 5x +5 05 -5 99999999999999999999 ' 5' ''; do $B --ro-bind / / --tmpfs /tmp --file "$v" /tmp/x cat /tmp/x 5<src/file; $B --args "$v" true 5<src/file; done
		for v in cap_none 5 64 kill cap_ '' Cap_Kill; do $B --ro-bind / / --cap-add "$v" true; echo $?; $B --ro-bind / / --cap-drop "$v" true; echo $?; done`},
	{name: "descriptor_of_arguments", script: `printf '%s\0' --unshare-uts >a; for o in '--seccomp 5' '--add-seccomp-fd 5' '--file 5 /tmp/x' '--bind-data 5 /tmp/x'; do echo "$o"; $B --ro-bind / / --tmpfs /tmp --args 5 $o true 5<>a; echo $?; $B --ro-bind / / --tmpfs /tmp $o --args 5 true 5<>a; echo $?; done`, differs: "tmpfile on|Can't write data|seccomp data"},
	{name: "unused", script: `: >none; printf '%s\0' --perms 0700 >mode; printf '%s\0' --overlay-src src >layer; printf '%s\0' --dir /tmp/x >dir
		for o in '--perms 0700' '--size 4096' '--overlay-src src'; do $B --ro-bind / / $o true; echo $?; $B --ro-bind / / $o -- true; echo $?; $B --ro-bind / / $o --unshare-pid true; echo $?; $B --ro-bind / / $o --args 5 --dir /tmp true 5<none; echo $?; $B $o --bogus; $B $o --tmpfs ''; done
		$B --ro-bind / / --args 5 --dir /tmp true 5<mode; $B --ro-bind / / --args 5 --tmp-overlay /tmp true 5<layer; $B --ro-bind / / --tmpfs /tmp --perms 0700 --args 5 stat -c %a /tmp/x 5<dir; $B --overlay-src / --help >help; test -s help && rm help`, since: "0.13.0"},
	{name: "debug", script: `$B --debug-opt=none; $B --debug-opt; $B --debug-opt none; $B --debug-opt=force-mount-setattr-fallback --ro-bind / / true; echo $?; $B --debug-opt=print-assumed-kernel | grep -c '^[0-9.]*$'`, since: "0.13.0"},
	{name: "hostnames", script: `for n in $(printf %065d 0) $(printf %064d 0) a.b _; do $B --unshare-uts --hostname $n --ro-bind / / uname -n; done`},
	{name: "ids_of_the_caller", script: `$B --uid $(id -u) --gid $(id -g) --ro-bind / / id`},
	{name: "refused_to_root", script: `$B --uid 4 --ro-bind / / true; $B --gid 4 --ro-bind / / true`, as: "root"},
	{name: "missing", script: `$B --ro-bind / / --bind /none /mnt true; $B --ro-bind / / nosuch; echo $?; $B --ro-bind / / /none; $B --ro-bind / / /etc/passwd; echo $?; $B --ro-bind / / --chdir /none true; echo $?`},
	{name: "targets", script: `for o in '--dir /tmp/l' '--chmod 0700 /tmp/l' '--ro-bind-data 5 /tmp/l' '--remount-ro /tmp/l' '--tmpfs /tmp/l' '--proc /tmp/l' '--dev /tmp/l' '--bind src /tmp/l' '--symlink d /tmp/l/x' '--symlink d /tmp/l' '--dir /tmp/dangling' \
			'--dir /none' '--ro-bind /etc/hostname /none' '--remount-ro /none' '--chmod 0700 /tmp/none' '--tmpfs /etc/passwd' '--file 5 /etc/passwd/x' '--ro-bind /etc /etc/passwd/x' '--ro-bind /etc /etc/passwd' '--ro-bind /etc/passwd /etc' '--ro-bind-data 5 /etc' '--dir /etc/passwd' '--overlay-src /etc --tmp-overlay /tmp/l'; do
		echo "$o"; $B --ro-bind / / --tmpfs /tmp --dir /tmp/d --symlink d /tmp/l --symlink none /tmp/dangling $o ls -l /tmp/l/ 5<src/file; done`, since: "0.12.0", differs: "^(lrwx|total)"},
	{name: "no_parents", script: `for at in /none/a /etc/passwd/x /etc/passwd/x/y /tmp/loop/x $PWD/src/file/x; do
		for o in '--bind src' '--ro-bind src/file' --tmpfs --proc --dev --mqueue --dir '--overlay-src lower --tmp-overlay' '--file 5' '--bind-data 5' '--ro-bind-data 5' '--bind-fd 6' '--symlink x' '--chmod 0700'; do
		echo "$o $at"; $B --ro-bind / / --tmpfs /tmp --symlink loop /tmp/loop --unshare-ipc --unshare-pid $o $at true 5<src/file 6<src/file; done; done`, since: "0.12.0"},
	{name: "read_only", script: `for o in '--file 5 /none' '--bind-data 5 /none' '--symlink x /none' '--symlink x /none/a' '--file 5 /none/a' '--bind-fd 6 /none' '--chmod 0755 /' '--chmod 0755 /etc' '--chmod 0700 /etc/passwd' '--chmod 0700 /none' '--dir /tmp/x' '--tmpfs /tmp/x' '--file 5 /tmp/x' '--symlink a /tmp/x' '--bind src /tmp/x' '--bind-data 5 /tmp/x' '--bind src/file /' '--file 5 /' '--bind-data 5 /'; do
		echo "$o"; $B --ro-bind / / --tmpfs /tmp --remount-ro /tmp $o true 5<src/file 6<src/file; echo $?; done`, since: "0.12.0"},
	{name: "wrong_type", script: `for o in '--ro-bind-fd 6 /usr' '--bind-fd 6 /tmp/d' '--ro-bind-fd 7 /etc/passwd' '--bind-fd 7 /tmp/f' '--file 5 /tmp/d' '--file 5 /usr' '--file 5 /tmp/l' '--file 5 /tmp/dangling' '--bind-data 5 /tmp/d' '--dir /tmp/f' '--symlink a /tmp/d' '--tmpfs /tmp/f'; do
		echo "$o"; $B --bind / / --tmpfs /tmp --dir /tmp/d --symlink d /tmp/l --symlink none /tmp/dangling --file 8 /tmp/f --unshare-pid $o true 5<src/file 6<src/file 7<src 8<src/file; echo $?; done
		$B --ro-bind / / --tmpfs /tmp --file 5 /tmp/x true 5<src; $B --ro-bind / / --tmpfs /tmp --file 5 /tmp/x true 5>o; $B --ro-bind / / --tmpfs /tmp --file 5 /tmp/x --file 5 /tmp/y true 5<src/file`, since: "0.12.0"},
	{name: "parents", script: `for o in '--bind src' '--ro-bind src/file' '--dev-bind src' '--ro-bind-try src' '--bind-fd 6' --proc --dev --tmpfs --mqueue --dir '--symlink x' '--file 5' '--bind-data 5' '--ro-bind-data 5' '--overlay-src lower --tmp-overlay' '--perms 0640 --file 5' '--perms 0604 --bind-data 5' '--perms 0750 --tmpfs' '--perms 0705 --dir' '--perms 0711 --dir'; do
		echo "$o"; $B --ro-bind / / --tmpfs /tmp --unshare-ipc --unshare-pid $o /tmp/a/b/c stat -c '%a %n' /tmp/a /tmp/a/b 5<src/file 6<src; done`, since: "0.11.0"},
	{name: "files", script: `p='for f in /tmp/x $1; do cat $f; stat -c "%a %s" $f; echo more >>$f; cat $f; done'; mkdir root; ln root/../src/file root/linked; echo longer text >src/old; chmod 0600 src/old
		$B --bind / / --tmpfs /tmp --perms 0640 --file 5 /tmp/x --file 6 /tmp/x --file 7 $PWD/src/old sh -c "$p" sh $PWD/src/old 5<lower/file 6<src/old 7<lower/file; cat src/old
		$B --bind / / --tmpfs /tmp --file 5 /tmp/x --file 6 $PWD/new --file 7 $PWD/new sh -c "$p" sh $PWD/new 5<lower/file 6<src/old 7<lower/file; cat new
		$B --bind / / --tmpfs /tmp --dir /tmp/d --file 5 /tmp/d/../x --perms 0600 --file 6 $PWD/root/linked sh -c "$p" sh $PWD/src/file 5</dev/null 6</dev/null
		$B --bind / / --overlay-src src --tmp-overlay /mnt --tmpfs /tmp --file 5 /tmp/x --file 6 /mnt/old sh -c "$p" sh /mnt/old 5<lower/file 6<lower/file; cat src/old
		$B --bind / / --tmpfs /tmp --file 5 $PWD/link/old true 5<lower/file; cat src/old; chmod 0400 src/old; $B --bind / / --tmpfs /tmp --file 5 $PWD/src/old cat src/old 5</etc/hostname | cmp - /etc/hostname`, since: "0.12.0"},
	{name: "layers", script: `$B --ro-bind / / --overlay-src none --tmp-overlay /mnt true; $B --ro-bind / / --overlay-src src --overlay none work /mnt true; $B --ro-bind / / --overlay-src src --overlay upper none /mnt true; mkdir 'a,b' 'c:d' 'e\f'; touch a,b/1 c:d/2 'e\f/3'
		$B --ro-bind / / --overlay-src 'a,b' --overlay-src 'c:d' --overlay-src 'e\f' --ro-overlay /mnt ls /mnt; $B --ro-bind / / --overlay-src lower --tmp-overlay /mnt --dir /mnt/x --file 5 /mnt/y --symlink a /mnt/z --overlay-src src --tmp-overlay /mnt/x ls /mnt /mnt/x 5<src/file; $B --ro-bind / / --overlay-src lower --tmp-overlay /mnt --remount-ro /mnt sh -c 'echo >/mnt/x'`, since: "0.12.0"},
	{name: "joined", script: `$B --userns 1 --unshare-user true; $B --userns 1 --unshare-user-try true; $B --unshare-user --disable-userns --userns-block-fd 0 --info-fd 1 --bind / / true`, since: "0.12.0"},
	{name: "empty", script: `for o in bind ro-bind-try dev-bind; do $B --$o '' / true; $B --$o / '' true; done; for o in tmpfs dir proc dev mqueue remount-ro lock-file chdir; do $B --$o '' true; done
		$B --chmod 700 '' true; $B --file 0 '' true; $B --bind-fd 0 '' true; $B --symlink x '' true; $B --symlink '' x true; $B --overlay-src / --overlay '' / /tmp true; $B --overlay-src / --tmp-overlay '' true`, since: "0.13.0"},
	{name: "sync_fds", script: `$B --sync-fd 5 --sync-fd 6 --ro-bind / / true 5</dev/null 6</dev/null`, since: "0.13.1"},
	{name: "symlinks", script: `$B --bind / / --bind $PWD $PWD --symlink a $PWD/link true; $B --bind / / --bind $PWD $PWD --symlink a $PWD/src true`, since: "0.9.0"},
	{name: "level_prefix", script: `$B --level-prefix --chdir / --chdir / --ro-bind / / --bind /none /x true`, since: "0.11.0"},
}

// merged are the links of a merged /usr.
const merged = `--symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64`

// makeFilter makes a file with a filter that allows everything: one instruction, which
// returns SECCOMP_RET_ALLOW; and noFilter loads it.
const (
	makeFilter = `printf '\006\000\000\000\000\000\377\177' >filter`
	noFilter   = `--seccomp 9`
)

// nested is what differs because bubblewrap uses a second user namespace with --dev.
const nested = `^map |^/dev/pts `

// capsOfRoot are the capabilities in a new user namespace, where root gets all in hk-bwrap,
// and in bubblewrap only those that it had.
const capsOfRoot = "^Cap"
