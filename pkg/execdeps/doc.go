// Package execdeps finds the files that it takes to execute a program: those that the
// kernel opens at execve(2), and those that the loader opens before the program's first
// instruction. A rule that allows these and no other, of landlock(7) say, or a root
// directory that has them, is the least with which the program starts.
//
//	fd, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
//	…
//	f := execdeps.Finder{Root: execdeps.NewRoot(fd), Env: execdeps.EnvironmentOf(os.Environ())}
//	err = f.Program("git")
//	for _, file := range f.Files() {
//		…
//	}
//
// A word without a slash is looked for in PATH, as by execvp(3). Scripts are followed
// to their interpreters, through env(1) too; programs in ELF to their loader, and to all
// libraries that it loads, as ld.so(8) says, with LD_LIBRARY_PATH, DT_RPATH, DT_RUNPATH,
// ld.so.cache and the libraries for abler processors; or as musl's loader does. Nothing is
// executed, ldd(1) neither: what is looked at may be a stranger's, and is read with
// bounds on work and memory.
//
// # What it does not find
//
// What a program opens later: libraries by dlopen(3), such as those of nsswitch.conf(5)
// and iconv(3), plugins, other programs, configuration, data. LD_PRELOAD,
// /etc/ld.so.preload and binfmt_misc are not followed. What was found may have changed by
// the time it is used: [Root.OpenPath] says whether a name still leads to a regular file,
// not whether that is the same.
//
// # When not to use it
//
// To learn what a program needs while it runs, trace it. To list what is linked,
// package debug/elf or readelf(1) will do.
package execdeps
