// Hk-unshare is one stage of an isolation chain. See hk-unshare(1).
package main

import "hk/internal/cli"

func main() { cli.Main("hk-unshare") }
