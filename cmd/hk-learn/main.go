//go:debug updatemaxprocs=0
//go:debug containermaxprocs=0

// Hk-learn writes the narrowest chain for what the payload of a chain uses. See hk-learn(1).
package main

import "hk/internal/learn"

// The program runs in init, which is on the process's first thread: see [learn.Main].
func init() { learn.Main() }

func main() {}
