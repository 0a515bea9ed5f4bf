// Package chain puts stages in order and makes one plan of them: for a command line,
// and for a program that runs untrusted programs.
//
// # For a program
//
// A chain of stages is made by [New] or [Parse] and prepared once: [Chain.Prepare]
// reads the host, checks everything and lays out the sandbox, as a [Box]. Its commands
// ([Box.Command], [Box.CommandContext]) are used like those of os/exec. Each of them
// has a fresh sandbox, with its own namespaces and mounts, which is gone when the
// command ends. A start makes no decisions and reads nothing from the host. Many
// commands may be started at once, from any goroutines.
//
//	c, err := chain.Parse(strings.Fields("hk-unshare --all hk-idmap hk-mount --rootfs / --proc --tmpfs /tmp"))
//	box, err := c.Prepare(ctx)
//	err = box.CommandContext(ctx, "make", "test").Run()
//
// If the payload could not be started, the error is a [StartError]; if it did not end
// with exit status 0, the error is an [ExitError].
//
// Nothing in the program changes: no limit, signal handler, environment, umask or
// directory. A [Box] has a page of shared memory, which is named hk-chain in /proc/PID/maps:
// with the flags of its chain, and the PIDs of its commands, for hk-inspect --pid --chain.
// Only who may trace the program can read it. SIGCHLD is not caught. If the program waits for any child, with wait4(2)
// of -1, it may reap a child that Wait is waiting for.
//
// One thing is changed for a moment at each start, and only in a program that runs as
// root or has capabilities: if it is dumpable (PR_SET_DUMPABLE of prctl(2)), it is not
// dumpable until the child exists, and as root until the child has executed the
// payload. During that time its files in /proc/self belong to
// root, and a goroutine that makes the program not dumpable must do so again. In an
// ordinary user's program nothing is changed, and other processes of that user can for
// a moment trace the child, which has a copy of the program's memory. They can also
// trace the program itself, unless Yama restricts that. A program that keeps secrets
// from them makes itself not dumpable; then a start that needs ID maps or clock offsets
// fails for an ordinary user.
//
// A sandbox ends with the program, however the program ends. When a context ends, the
// payload is killed and, with hk-unshare --pid, so is everything that it has started.
// Resources are limited by hk-limit, whose limits apply to each process; wall-clock
// time is limited by the context.
//
// # What it does not stop
//
// The payload shares the kernel: a bug in the kernel can be a way out. Anything that no
// stage restricts remains accessible: without hk-unshare --net the network, without
// hk-mount or hk-landlock all files that the program may read, without hk-limit memory
// and CPU time. No stage restricts a descriptor that is passed to the payload (Stdin,
// Stdout, ExtraFiles). Limiting all processes of a payload together needs a cgroup,
// which this package does not create. There is no protection against side channels of
// the processor.
//
// # When not to use it
//
// For an ordinary user the child is copied from the program as by fork(2), but without the
// Go heap, however large that is. The same holds for root if the payload gets another
// user ID or is below an init. In a program with cgo the heap is copied too, at least its
// page tables, so a start takes longer the more memory the program uses: 4 ms for each 100
// MiB in pages of 4 KiB, and less than 0.1 ms with transparent huge pages (measured on
// Linux 6.18). A large program should then start sandboxes from a small helper process.
//
// Tracing, joining and learning need the commands: execute hk-unshare(1) with os/exec.
// Programs that need an image, a registry or a configured network are better served by a
// container engine; if the kernel itself is not trusted to isolate, use a virtual machine.
//
// If another goroutine executes a file that the program has just written with os/exec,
// it may get ETXTBSY, as without this package (golang.org/issue/22315), because of what
// os/exec starts: other goroutines' commands, and here newuidmap, newgidmap and pasta for
// a Box that needs them. The child of a Box has closed such a file before anything else
// is started.
package chain
