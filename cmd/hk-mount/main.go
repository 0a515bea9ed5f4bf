//go:debug updatemaxprocs=0
//go:debug containermaxprocs=0

// Hk-mount is one stage of an isolation chain. See hk-mount(1).
package main

import "hk/internal/cli"

// The program runs in init, which is on the process's first thread: see
// [cli.Main].
func init() { cli.Main("hk-mount") }

func main() {}
