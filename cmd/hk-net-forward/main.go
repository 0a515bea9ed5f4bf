//go:debug updatemaxprocs=0
//go:debug containermaxprocs=0

// Hk-net-forward forwards connections between a network namespace and UNIX sockets of the
// host. See hk-net-forward(8).
package main

import (
	"os"

	"hk/internal/forward"
)

func main() { os.Exit(forward.Main()) }
