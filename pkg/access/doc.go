// Package access records what traced processes use of what landlock(7) can restrict, as
// the access rights that the kernel would ask for: on files, TCP ports, abstract sockets
// and signals.
//
// A [Recorder] looks at each system call when it is entered and when it has returned, by a
// tracer of package ptrace. The processes are not trusted. A right is recorded only for an
// inode to which a name leads in the root directory of the first program, in a mount that was
// there at the start, and which is seen to be the one that was used: that of a descriptor, or
// the directory in which a name was given to something, or taken away.
//
// # What it does not see
//
// What io_uring(7) does, processes created with CLONE_UNTRACED, and calls by name in another
// root directory or mount namespace than that of the first program. [Record.Unseen] says so,
// and names what was not understood. Calls that failed are recorded only if the kernel had
// checked access before, and if nobody could have changed their arguments. Ports and signals
// are those that calls were given: any process can use those. File systems that do not answer
// within ten seconds are not looked at.
package access
