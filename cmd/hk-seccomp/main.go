// Hk-seccomp is one stage of an isolation chain. See hk-seccomp(1).
package main

import "hk/internal/cli"

func main() { cli.Main("hk-seccomp") }
