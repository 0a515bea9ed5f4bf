package idmap

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// direct writes both maps from the supervisor, which has the capabilities.
func direct(name string, uid, gid direction, setgroups string) plan.Outside {
	text := fmt.Sprintf("write %q to uid_map", strings.TrimSpace(uid.text()))
	if setgroups == "deny" {
		text += `, "deny" to setgroups`
	}
	text += fmt.Sprintf(", %q to gid_map of the child", strings.TrimSpace(gid.text()))
	return plan.Outside{Stage: name, Text: text, Do: func(at *plan.At) error {
		if err := writeProc(at.PID, "uid_map", uid.text()); err != nil {
			return err
		}
		if setgroups == "deny" {
			if err := writeProc(at.PID, "setgroups", "deny"); err != nil {
				return err
			}
		}
		return writeProc(at.PID, "gid_map", gid.text())
	}}
}

// writeProc writes a file of procfs of a process that waits for us, with one
// call, as uid_map needs it, and only if nothing was mounted over the file.
func writeProc(pid int, name, text string) error {
	path := fmt.Sprintf("/proc/%d/%s", pid, name)
	proc, err := unix.Open("/proc", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: "/proc", Err: err}
	}
	defer unix.Close(proc)
	fd, err := unix.Openat2(proc, strings.TrimPrefix(path, "/proc/"), &unix.OpenHow{
		Flags:   unix.O_WRONLY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return &os.PathError{Op: "openat2", Path: path, Err: err}
	}
	defer unix.Close(fd)
	if n, err := unix.Write(fd, []byte(text)); err != nil || n != len(text) {
		if err == nil {
			err = unix.EIO
		}
		return &os.PathError{Op: fmt.Sprintf("write of %q to", text), Path: path, Err: err}
	}
	return nil
}

// helperDirs is where newuidmap is looked for: not in PATH, which is the
// caller's to set.
var helperDirs = []string{"/usr/bin", "/bin", "/usr/local/bin", "/run/wrappers/bin"}

// helper runs newuidmap or newgidmap.
func helper(name string, d direction) (plan.Outside, error) {
	path := ""
	for _, dir := range helperDirs {
		if fi, err := os.Stat(dir + "/" + d.helper); err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0 {
			path = dir + "/" + d.helper
			break
		}
	}
	if path == "" {
		return plan.Outside{}, fmt.Errorf("--%s: an ordinary user needs %s for this map, and it is in none of %s: install the package uidmap or shadow-utils",
			d.name, d.helper, strings.Join(helperDirs, ", "))
	}
	args := strings.Fields(d.text())
	return plan.Outside{
		Stage: name,
		Text:  fmt.Sprintf("run %s $child %s", path, strings.Join(args, " ")),
		Do: func(at *plan.At) error {
			cmd := exec.Command(path, append([]string{fmt.Sprint(at.PID)}, args...)...)
			cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Run(); err != nil {
				return fmt.Errorf("%s %s: %v: %s", path, strings.Join(args, " "), err, strings.TrimSpace(out.String()))
			}
			return nil
		},
	}, nil
}
