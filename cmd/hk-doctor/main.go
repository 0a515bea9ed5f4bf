//go:debug updatemaxprocs=0
//go:debug containermaxprocs=0

// Hk-doctor says what chains can do on this machine. See hk-doctor(1).
package main

import "hk/internal/doctor"

// The program runs in init, which is on the process's first thread, because it performs
// chains: see [cli.Main].
func init() { doctor.Main() }

func main() {}
