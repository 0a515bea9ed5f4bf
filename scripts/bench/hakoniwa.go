package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// hakoniwa times hk-run and hakoniwa on the same command lines, and on a configuration
// file, if hakoniwa is in PATH.
func hakoniwa(warmup, rounds int) error {
	if _, err := exec.LookPath("hakoniwa"); err != nil {
		fmt.Println("\nhakoniwa: not in PATH, and not built by make test-hakoniwa: left out")
		return nil
	}
	dir, err := os.MkdirTemp("", "hk-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "c.toml")
	if err := os.WriteFile(file, []byte(configuration), 0o644); err != nil {
		return err
	}
	lines := []string{
		"",
		"--seccomp unconfined",
		"--unshare-all --devfs /dev --tmpfs /tmp",
		"--unshare-all --devfs /dev --tmpfs /tmp --limit-nofile 256 --landlock-fs-rx / --landlock-fs-rw /tmp,/dev",
		"--unshare-all" + strings.Repeat(" -b /usr:/m/N", 20),
		"-c " + file,
	}
	var list []command
	for _, line := range lines {
		for n := 0; strings.Contains(line, "/N"); n++ {
			line = strings.Replace(line, "/N", fmt.Sprint("/", n), 1)
		}
		words := append(strings.Fields(line), "--")
		name := strings.Replace(line, file, "a file of TOML", 1)
		list = append(list, command{name: name, words: append([]string{"hk-run"}, words...)},
			command{words: append([]string{"hakoniwa", "run"}, words...)})
	}
	return pairs("hk-run beside hakoniwa 1.6.0", "hakoniwa", list, warmup, rounds)
}

const configuration = `
[[namespaces]]
type = "ipc"
[[namespaces]]
type = "network"
[[mounts]]
source = "/usr"
[[mounts]]
source = "/bin"
[[mounts]]
source = "/lib"
[[mounts]]
source = "/lib64"
[[mounts]]
source = ""
destination = "/tmp"
type = "tmpfs"
[[limits]]
type = "nofile"
value = 256
`
