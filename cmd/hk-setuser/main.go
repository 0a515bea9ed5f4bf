// Hk-setuser is one stage of an isolation chain. See hk-setuser(1).
package main

import "hk/internal/cli"

func main() { cli.Main("hk-setuser") }
