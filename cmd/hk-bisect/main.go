//go:debug updatemaxprocs=0
//go:debug containermaxprocs=0

// Hk-bisect finds the part of a chain with which its payload fails. See hk-bisect(1).
package main

import "hk/internal/bisect"

// The program runs in init, which is on the process's first thread: see [bisect.Main].
func init() { bisect.Main() }

func main() {}
