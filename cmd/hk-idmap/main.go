// Hk-idmap is one stage of an isolation chain. See hk-idmap(1).
package main

import "hk/internal/cli"

func main() { cli.Main("hk-idmap") }
