//go:debug updatemaxprocs=0
//go:debug containermaxprocs=0

// Hk-cgroup-keeper makes the cgroup of a payload and removes it. See hk-cgroup-keeper(8).
package main

import (
	"os"

	"hk/internal/keeper"
)

func main() { os.Exit(keeper.Main()) }
