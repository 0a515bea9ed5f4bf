package idmap

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"hk/pkg/cause"
	"hk/pkg/host"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// direct writes both maps from the supervisor, which has the capabilities.
func direct(name string, uid, gid direction, setgroups string) plan.Step {
	text := fmt.Sprintf("write %q to uid_map", strings.TrimSpace(uid.ids.String()))
	if setgroups == "deny" {
		text += `, "deny" to setgroups`
	}
	text += fmt.Sprintf(", %q to gid_map of the child", strings.TrimSpace(gid.ids.String()))
	return plan.Step{Stage: name, Text: text, Do: func(at plan.Context) error {
		if err := at.Write("uid_map", uid.ids.String()); err != nil {
			return err
		}
		if setgroups == "deny" {
			if err := at.Write("setgroups", "deny"); err != nil {
				return err
			}
		}
		return at.Write("gid_map", gid.ids.String())
	}}
}

// helper runs newuidmap or newgidmap, from path, or "" if it was not found, for process
// pid, or for the child if pid is 0. They identify a process only by its PID. The PID
// of the child cannot be reused until the supervisor, or the init process, reaps it; so
// the process is checked before and after the call.
func helper(name, path string, d direction, pid int) (plan.Step, error) {
	if path == "" {
		return plan.Step{}, cause.Because(cause.NewuidmapMissing, fmt.Errorf("an ordinary user needs %s for this map, which is in none of %s: install the package uidmap or shadow-utils",
			d.helper, strings.Join(host.HelperDirs, ", ")))
	}
	args := strings.Fields(d.ids.String())
	who := "$child"
	if pid != 0 {
		who = strconv.Itoa(pid)
	}
	return plan.Step{
		Stage: name,
		Text:  fmt.Sprintf("run %s %s %s", path, who, strings.Join(args, " ")),
		Do: func(at plan.Context) error {
			if pid == 0 {
				return runHelper(at, path, args, at.PID(), at.CheckAlive)
			}
			fd, err := unix.PidfdOpen(pid, 0)
			if err != nil {
				return fmt.Errorf("process %d: %w", pid, err)
			}
			defer unix.Close(fd)
			return runHelper(at, path, args, pid, func() error {
				if err := unix.PidfdSendSignal(fd, 0, nil, 0); err == unix.ESRCH {
					return fmt.Errorf("process %d: %w", pid, err)
				}
				return nil
			})
		},
	}, nil
}

// runHelper runs a helper, reads at most maxWords bytes of its output, and returns when
// the helper closes its output.
func runHelper(at plan.Context, path string, args []string, pid int, alive func() error) error {
	if err := alive(); err != nil {
		return err
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("pipe2: %w", err)
	}
	defer unix.Close(pipe[0])
	to := os.NewFile(uintptr(pipe[1]), "pipe")
	cmd := exec.Command(path, append([]string{strconv.Itoa(pid)}, args...)...)
	cmd.Env = host.HelperEnv
	cmd.Stdout, cmd.Stderr = to, to
	err := cmd.Start()
	to.Close()
	if err != nil {
		return err
	}
	out := make([]byte, 0, maxWords)
	for n := 1; n > 0 && len(out) < cap(out); out = out[:len(out)+n] {
		if n, err = at.Read(pipe[0], out[len(out):cap(out)], time.Time{}); err != nil {
			cmd.Process.Kill()
			cmd.Wait()
			return err
		}
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%s %s: %v: %s", path, strings.Join(args, " "), err, strings.ReplaceAll(strings.TrimSpace(string(out)), "\n", "; "))
	}
	return alive()
}

// maxWords is more than newuidmap(1) prints.
const maxWords = 4096
