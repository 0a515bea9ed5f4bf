// Package chain puts stages in order and makes one plan of them: for a command line, and
// for a program that runs what it does not trust.
//
// # For a program
//
// A chain of stages is made by [New] or [Parse] and prepared once: [Chain.Prepare] reads
// the host, checks everything and lays the sandbox out, as a [Box]. Its commands
// ([Box.Command], [Box.CommandContext]) are as those of os/exec, and each has a fresh
// sandbox: with its own namespaces and mounts, gone when it ends. A start takes no
// decision and reads nothing of the host. It is safe to start many at once, from any
// goroutine.
//
//	c, err := chain.Parse(strings.Fields("hk-unshare --all hk-idmap hk-mount --rootfs / --proc --tmpfs /tmp"))
//	box, err := c.Prepare(ctx)
//	err = box.CommandContext(ctx, "make", "test").Run()
//
// That the payload could not be started is a [StartError], and how it ended an
// [ExitError].
//
// Nothing of the program changes: no limit, signal handler, environment, umask or
// directory. SIGCHLD is not caught; a program that waits for any child, by wait4(2) of -1,
// takes from Wait what it waits for.
//
// One thing is changed for a moment at each start, and only in a program that runs as root
// or has capabilities: if it is dumpable (PR_SET_DUMPABLE of prctl(2)), it is not until the
// child is there. Its files in /proc/self belong to root meanwhile, and a goroutine that
// makes the program not dumpable in that moment has to do so again. In an ordinary user's
// program nothing is changed, and other processes of that user can for a moment trace the
// child, which has a copy of the program's memory. They can trace the program too, unless
// Yama restricts that. A program with secrets from them makes itself not dumpable; then a
// start fails that needs ID maps or clock offsets from an ordinary user.
//
// A sandbox ends with the program, however that ends. When a context ends, the payload is
// killed, and with hk-unshare --pid all that it has started. What it may use is for
// hk-limit, whose limits are of each process; the time by the clock is the context's.
//
// # What it does not stop
//
// The kernel is shared: what breaks that breaks out. What a stage was not asked for stays
// open: without hk-unshare --net the network, without hk-mount or hk-landlock all files
// that the program may read, without hk-limit memory and CPU time. A descriptor that the
// payload is given (Stdin, Stdout, ExtraFiles) is not restricted by any stage. Limits on
// all processes of a payload together take a cgroup, which this package does not make.
// There are no covers against what processors leak.
//
// # When not to use it
//
// The child is copied from the program as by fork(2), its page tables at least, and a start
// takes longer for that the more memory the program has in use: 3.6 ms for each 100 MiB in
// pages of 4 KiB, and less than 0.1 ms with transparent huge pages (measured on Linux 6.18;
// GODEBUG and /sys/kernel/mm/transparent_hugepage say which the Go heap has). A large
// program starts sandboxes from a small one beside it. What must be traced, joined or
// learned takes the commands: hk-unshare(1) by os/exec. Programs that need an image, a
// registry or a network of their own want a container engine; where the kernel itself is
// not trusted to isolate, use a virtual machine.
//
// Another goroutine that executes by os/exec a file which the program has just written may
// get ETXTBSY, as without this package (golang.org/issue/22315); a Box does not.
package chain
