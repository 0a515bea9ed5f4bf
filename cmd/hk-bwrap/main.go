//go:debug updatemaxprocs=0
//go:debug containermaxprocs=0

// Hk-bwrap is the command line of bubblewrap, compiled to a chain. See hk-bwrap(1).
package main

import "hk/internal/bwrap"

// The program runs in init, which is on the process's first thread: see [bwrap.Main].
func init() { bwrap.Main() }

func main() {}
