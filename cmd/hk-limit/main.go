//go:debug updatemaxprocs=0
//go:debug containermaxprocs=0

// Hk-limit is one stage of an isolation chain. See hk-limit(1).
package main

import "hk/internal/cli"

// The program runs in init, which is on the process's first thread: see
// [cli.Main].
func init() { cli.Main("hk-limit") }

func main() {}
