// Hk-landlock is one stage of an isolation chain. See hk-landlock(1).
package main

import "hk/internal/cli"

func main() { cli.Main("hk-landlock") }
