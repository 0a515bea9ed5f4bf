// Package execdeps finds the files that are needed to execute a program: those that the
// kernel opens at execve(2), and those that the loader opens before the program's first
// instruction. A Landlock rule set that allows only these files, or a root directory
// that contains only them, is the minimum with which the program starts.
//
//	fd, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
//	…
//	f := execdeps.Finder{Root: execdeps.NewRoot(fd), Env: execdeps.EnvironmentOf(os.Environ())}
//	err = f.Program("git")
//	for _, file := range f.Files() {
//		…
//	}
//
// A word without a slash is searched for in PATH, as by execvp(3). Scripts are followed
// to their interpreters, also through env(1); ELF programs to their loader and to all
// libraries that it loads, as described in ld.so(8), with LD_LIBRARY_PATH, DT_RPATH,
// DT_RUNPATH, ld.so.cache and the library variants for newer processors; or in the way
// of musl's loader. Nothing is executed, not even ldd(1): the files may be untrusted,
// and are read with limits on work and memory.
//
// # What it does not find
//
// What a program opens later: libraries loaded with dlopen(3), such as those of
// nsswitch.conf(5) and iconv(3), plugins, other programs, configuration, data.
// LD_PRELOAD, /etc/ld.so.preload and binfmt_misc are not considered. A file may have
// changed by the time it is used: [Root.OpenPath] says whether a name still leads to a
// regular file, not whether it is the same file.
//
// # When not to use it
//
// To find out what a program needs while it runs, trace it. To list what a program is
// linked with, use package debug/elf or readelf(1).
package execdeps
