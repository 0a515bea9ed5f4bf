// Hk-mount is one stage of an isolation chain. See hk-mount(1).
package main

import "hk/internal/cli"

func main() { cli.Main("hk-mount") }
