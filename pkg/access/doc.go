// Package access records what traced processes use of what landlock(7) can restrict, as
// the access rights that the kernel would ask for: on files, TCP ports, abstract sockets
// and signals.
//
// A [Recorder] looks at each system call when it has returned, by a tracer of package
// ptrace. The name of a file that was opened or executed is read from the process, in
// procfs, and not from the arguments of the call, which other threads can change; it is
// compared with what the name leads to in the root directory of the first program. What a
// call does to a name in a directory, as mkdir(2) does, is recorded for the directory.
//
// # What it does not see
//
// What io_uring(7) does, processes created with CLONE_UNTRACED, and calls by name in another
// root directory or mount namespace than that of the first program. [Record.Unseen] says so.
// Calls that failed are recorded only if the kernel had checked access before.
package access
