//go:debug updatemaxprocs=0
//go:debug containermaxprocs=0

// Hk-run is the command line of hakoniwa, compiled to a chain. See hk-run(1).
package main

import "hk/internal/hakoniwa"

// The program runs in init, which is on the process's first thread: see
// [hakoniwa.Main].
func init() { hakoniwa.Main() }

func main() {}
