package test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// endAfter fails a script that takes longer than limit, with its name. Everything that
// it has started is killed, whichever process still holds a pipe that is waited for.
func endAfter(e *testscript.Env, limit time.Duration) {
	var mu sync.Mutex
	var killed []string
	end := make(chan struct{})
	go func() {
		select {
		case <-end:
			return
		case <-time.After(limit):
		}
		// The script continues with its next command.
		for {
			list := killThoseWith("WORK=" + e.WorkDir)
			mu.Lock()
			killed = append(killed, list...)
			mu.Unlock()
			select {
			case <-end:
				return
			case <-time.After(time.Second):
			}
		}
	}()
	e.Defer(func() {
		close(end)
		mu.Lock()
		defer mu.Unlock()
		if len(killed) > 0 {
			e.T().Fatal(fmt.Sprintf("%s: not done after %v; killed:\n%s", filepath.Base(e.WorkDir), limit, strings.Join(killed, "\n")))
		}
	})
}

// killThoseWith kills all processes that have a variable in their environment, and
// returns their command lines.
func killThoseWith(variable string) (list []string) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		// The descriptor read below is this process's own.
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			continue
		}
		env, _ := os.ReadFile(dir + "/environ")
		words, _ := os.ReadFile(dir + "/cmdline")
		if slices.Contains(strings.Split(string(env), "\x00"), variable) && unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) == nil {
			list = append(list, string(bytes.TrimSpace(bytes.ReplaceAll(words, []byte{0}, []byte{' '}))))
		}
		unix.Close(fd)
	}
	return list
}

// A failing is a test whose failure is expected.
type failing struct{ log strings.Builder }

func (f *failing) Log(args ...any)   { fmt.Fprintln(&f.log, args...) }
func (f *failing) Fatal(args ...any) { f.Log(args...); f.FailNow() }
func (f *failing) Skip(args ...any)  { f.Fatal(args...) }
func (f *failing) FailNow()          { runtime.Goexit() }
func (f *failing) Parallel()         {}
func (f *failing) Verbose() bool     { return false }
func (f *failing) Run(_ string, run func(testscript.T)) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(f)
	}()
	<-done
}

// TestHang makes a script wait for a program that keeps a pipe open, and for a second
// command that does.
func TestHang(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "waits.txtar")
	const script = "exec sh -c 'sleep 1107 & echo up'\nexec sleep 1108\nexec echo goes on\n"
	if err := os.WriteFile(file, []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	f := new(failing)
	f.Run("", func(testscript.T) {
		testscript.RunT(f, testscript.Params{Files: []string{file}, WorkdirRoot: t.TempDir(), Setup: func(e *testscript.Env) error {
			endAfter(e, time.Duration(slow)*200*time.Millisecond)
			return nil
		}})
	})
	log := f.log.String()
	for _, want := range []string{"script-waits: not done after", "sleep 1107\n", "sleep 1108"} {
		if !strings.Contains(log, want) {
			t.Errorf("%q is not in what is said:\n%s", want, log)
		}
	}
}
