package run

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestStale has a supervisor in the foreground of its terminal get a stop signal for a
// read in the background. The payload, whose stop the supervisor would see to, goes on.
func TestStale(t *testing.T) {
	ptmx, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer ptmx.Close()
	n, err := unix.IoctlGetInt(int(ptmx.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(ptmx.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	cmd, stdout, stderr := listener("stale")
	cmd.Stdin = tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// A supervisor that stops with the payload does not end.
	timer := time.AfterFunc(20*time.Second, func() { unix.Kill(-cmd.Process.Pid, unix.SIGKILL) })
	defer timer.Stop()
	if err := cmd.Wait(); err != nil || stdout.String() != "runs\n" {
		t.Errorf("%v, %q, %s; want a payload that runs", err, stdout, stderr)
	}
}

// stale is TestStale's process.
func stale(s *Supervisor) error {
	if err := adopted(s, true, false, "/bin/sleep", "1106"); err != nil {
		return err
	}
	if s.terminal.group() != unix.Getpgrp() {
		return errors.New("the terminal has another process group in the foreground")
	}
	s.handle(siginfo{signo: int32(unix.SIGTTIN), code: siKernel})
	if !s.hasStopped() {
		fmt.Println("runs")
	}
	s.KillTree()
	_, err := s.Wait()
	return err
}
