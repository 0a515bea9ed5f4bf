package bisect

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// keeper is a program that ends by itself, once it has removed its control group.
const keeper = "hk-cgroup-keeper"

var errLeft = errors.New("a process of it cannot be killed, or creates others faster than that, and is left behind")

// killLeft kills what a run has left behind. This process is a subreaper, so that is its
// children, but for others, and what becomes one when its parent is killed.
func killLeft(others []int) error {
	end := time.Now().Add(leftTime)
	spare := time.Now().Add(leftTime / 2)
	for quiet := 0; quiet < 3; {
		left := false
		for _, pid := range children() {
			if slices.Contains(others, pid) {
				continue
			}
			if !isKeeper(pid) || time.Now().After(spare) {
				unix.Kill(pid, unix.SIGKILL)
			}
			if got, _ := unix.Wait4(pid, nil, unix.WNOHANG, nil); got != pid {
				left = true
			}
		}
		if quiet++; !left {
			continue
		}
		if quiet = 0; time.Now().After(end) {
			return errLeft
		}
		time.Sleep(time.Millisecond)
	}
	return nil
}

// children are the processes whose parent this process is.
func children() (list []int) {
	files, _ := filepath.Glob("/proc/self/task/*/children")
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		for _, word := range bytes.Fields(b) {
			if pid, err := strconv.Atoi(string(word)); err == nil {
				list = append(list, pid)
			}
		}
	}
	return list
}

func isKeeper(pid int) bool {
	exe, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe")
	return err == nil && filepath.Base(exe) == keeper
}
