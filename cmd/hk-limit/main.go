// Hk-limit is one stage of an isolation chain. See hk-limit(1).
package main

import "hk/internal/cli"

func main() { cli.Main("hk-limit") }
