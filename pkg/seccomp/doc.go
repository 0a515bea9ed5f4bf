// Package seccomp is hk-seccomp(1): it adds to a plan the loading of a filter, which
// package filter compiles, or, with --learn, the recording of system calls from which a
// profile is made.
//
// The filter is for the program that the plan executes, and is compiled for the
// capabilities that this program can have. It is loaded as late as possible; the ops
// that follow it in the plan are checked against it before anything is done.
//
// A filter reduces the kernel interface that can be reached. It does not restrict what
// an allowed call may do, or which files are opened, and it does not revoke what is
// open: see package filter.
package seccomp
