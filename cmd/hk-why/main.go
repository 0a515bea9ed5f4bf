//go:debug updatemaxprocs=0
//go:debug containermaxprocs=0

// Hk-why says what a chain refuses to its payload. See hk-why(1).
package main

import "hk/internal/why"

// The program runs in init, which is on the process's first thread: see [why.Main].
func init() { why.Main() }

func main() {}
