package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"
)

// files are configuration files of the same sandbox, without and with templates.
var files = []struct{ name, text string }{
	{"plain", `rootfs = "/"
namespaces = [{ type = "cgroup" }, { type = "ipc" }, { type = "network" }, { type = "uts" }]
[[mounts]]
type = "devfs"
destination = "/dev"
[[mounts]]
type = "tmpfs"
destination = "/tmp"
[[envs]]
name = "PATH"
[[limits]]
type = "nofile"
value = 256
[landlock]
fs = [{ path = "/", access = "rx" }, { path = "/tmp", access = "rw" }, { path = "/dev", access = "rw" }]
`},
	{"templates", `rootfs = "/"
{% for type in ["cgroup", "ipc", "network", "uts"] %}
[[namespaces]]
type = "{{ type }}"
{% endfor %}
[[mounts]]
type = "devfs"
destination = "/dev"
[[mounts]]
type = "tmpfs"
destination = "/tmp"
{% if os_env("PATH") is ne "" %}
[[envs]]
name = "PATH"
{% endif %}
[[limits]]
type = "nofile"
value = 256
[landlock]
fs = [{ path = "/", access = "rx" }, { path = "/tmp", access = "rw" }, { path = "/dev", access = "rw" }]
`},
}

// printed times hk-run and the chains that it prints: it must cost no more than they do.
func printed(warmup, rounds int) error {
	lines := []string{
		"",
		"--unshare-all --devfs /dev --tmpfs /tmp",
		"--unshare-all --devfs /dev --tmpfs /tmp --limit-nofile 256 --landlock-fs-rx / --landlock-fs-rw /tmp,/dev",
	}
	var runs []command
	for _, line := range lines {
		runs = append(runs, command{name: "hk-run " + line, words: append(append([]string{"hk-run"}, strings.Fields(line)...), "--")})
	}
	dir, err := os.MkdirTemp("", "hk-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, f := range files {
		file := filepath.Join(dir, f.name+".toml")
		if err := os.WriteFile(file, []byte(f.text), 0o644); err != nil {
			return err
		}
		runs = append(runs, command{name: "hk-run -c " + f.name, words: []string{"hk-run", "-c", file, "--"}})
	}
	var list []command
	for _, run := range runs {
		chain, err := run.chain()
		if err != nil {
			return err
		}
		list = append(list, run, chain)
	}
	return pairs("hk-run beside the chain that it prints", "chain", list, warmup, rounds)
}

// pairs times hk-run and what stands beside it, which follow one another in the list.
func pairs(title, beside string, list []command, warmup, rounds int) error {
	took, err := turns(list, warmup, rounds)
	if err != nil {
		return err
	}
	fmt.Printf("\n%d rounds; milliseconds, median\n\n", rounds)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s\thk-run\t%s\thk-run to %s\n", title, beside, beside)
	for i := 0; i < len(list); i += 2 {
		name := list[i].name
		if len(name) > 60 {
			name = name[:57] + "..."
		}
		fmt.Fprintf(w, "%s\t%.2f\t%.2f\t%.2f\n", name, ms(median(took[i])), ms(median(took[i+1])), ratio(took[i], took[i+1]))
	}
	return w.Flush()
}

// chain is the chain that hk-run prints.
func (c *command) chain() (command, error) {
	words := append([]string{c.words[0], "--print"}, c.words[1:]...)
	text, err := exec.Command(words[0], append(words[1:], payload)...).Output()
	if err != nil {
		return command{}, fmt.Errorf("%s --print: %w", c.name, err)
	}
	out, err := exec.Command("/bin/sh", "-c", "set -- "+string(text)+`printf '%s\0' "$@"`).Output()
	if err != nil {
		return command{}, fmt.Errorf("%s --print, in a shell: %w", c.name, err)
	}
	list := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	return command{name: "its chain", words: list[:len(list)-1]}, nil
}
