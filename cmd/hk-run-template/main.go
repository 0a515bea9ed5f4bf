//go:debug updatemaxprocs=0
//go:debug containermaxprocs=0

// Hk-run-template renders the templates of a configuration file for hk-run. See
// hk-run-template(8).
package main

import (
	"os"

	"hk/internal/template"
)

func main() { os.Exit(template.Main()) }
