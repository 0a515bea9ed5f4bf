// Package seccomp is hk-seccomp(1): it adds to a plan the load of a filter, which
// package filter makes, or with --learn the recording of calls from which a profile is
// made.
//
// The filter is for what the plan executes, and it is made for the capabilities that
// this can have. It is loaded last that it may be; what of the plan comes after it is
// held against it before anything is done.
//
// It lessens what of the kernel can be reached. It does not stop what a call that it
// allows may do, restrict which files are opened or take back what is open: see package
// filter.
package seccomp
