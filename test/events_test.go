package test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ended waits for the end of a chain, and returns how it has ended.
func (c *cell) ended(j *job) string {
	c.Helper()
	timer := time.AfterFunc(time.Duration(slow)*20*time.Second, func() { j.Process.Kill() })
	j.Wait()
	if !timer.Stop() {
		return "no end"
	}
	return c.shown(j.ProcessState)
}

// shown is a wait status as a shell shows it, or as the cell of a table.
func (c *cell) shown(s *os.ProcessState) string {
	w := s.Sys().(syscall.WaitStatus)
	switch {
	case w.Signaled() && int(w.Signal()) == c.n:
		return "128+n"
	case w.Signaled():
		return fmt.Sprint(128 + int(w.Signal()))
	case w.ExitStatus() == c.n:
		return "n"
	}
	return fmt.Sprint(w.ExitStatus())
}

// status is for a payload that ends by itself.
func (c *cell) status(payload ...string) string {
	return c.ended(start(c.T, c.line, payload...))
}

// goesOn is the cell for a payload that was to exit with status 7.
func goesOn(status string) string {
	if status == "7" {
		return "-"
	}
	return status
}

func returns(c *cell, _ string) string { return c.status("sh", "-c", "exit $0", fmt.Sprint(c.n)) }

func raises(c *cell, _ string) string {
	return goesOn(c.status("perl", "-e", "kill $ARGV[0], $$; exit 7", fmt.Sprint(c.n)))
}

// signalled has a payload that neither handles nor ignores the signal.
func signalled(c *cell, _ string) string {
	j := startCat(c.T, c.line)
	j.Process.Signal(syscall.Signal(c.n))
	return c.ended(j)
}

func ignores(c *cell, _ string) string {
	j := newJob(c.T, c.line, "sh", "-c", "trap '' $0; echo ready; read x; exit 7", fmt.Sprint(c.n))
	r, w, err := os.Pipe()
	if err != nil {
		c.Fatal(err)
	}
	j.Stdin = r
	j.begin()
	r.Close()
	j.await("ready")
	j.Process.Signal(syscall.Signal(c.n))
	time.Sleep(time.Duration(slow) * 5 * time.Millisecond)
	w.Close()
	return goesOn(c.ended(j))
}

// types has the chain be the foreground job of a shell.
func types(c *cell, _ string) string {
	s := newSession(c.T, "trap : INT QUIT; "+environment(c.line)+" sh -c 'echo up >&9; read x; exit 7'; echo status $? >&9; echo end >&9")
	s.await("up")
	s.types(map[int]string{int(unix.SIGINT): "\x03", int(unix.SIGQUIT): "\x1c"}[c.n])
	s.await("end")
	if strings.Contains(s.said.String(), fmt.Sprintf("status %d\n", 128+c.n)) {
		return "128+n"
	}
	return s.said.String()
}

// resized changes the size of the terminal: the payload is told so, once.
func resized(c *cell, _ string) string {
	const payload = `open O, ">&=9"; $n = 0; $SIG{WINCH} = sub { $n++ }; syswrite O, "up\n";
		select undef, undef, undef, 0.01 until $n; select undef, undef, undef, 0.05;
		ioctl STDIN, 0x5413, $size = pack "x8"; ($rows, $columns) = unpack "SS", $size; syswrite O, "$n times: $rows, $columns\n"`
	s := newSession(c.T, environment(c.line)+" perl -e '"+payload+"'")
	s.await("up")
	if err := unix.IoctlSetWinsize(int(s.keys.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 17, Col: 71}); err != nil {
		c.Fatal(err)
	}
	if line, _ := s.out.ReadString('\n'); line != "1 times: 17, 71\n" {
		return line
	}
	return "told"
}

// hungUp closes the terminal of a chain that leads the session.
func hungUp(c *cell, _ string) string {
	s := newSession(c.T, "exec "+environment(c.line)+" sh -c 'echo up >&9; exec sleep 1105'")
	s.await("up")
	s.keys.Close()
	s.out.ReadString('\n') // until the payload has ended too
	s.Wait()
	return c.shown(s.ProcessState)
}

// stopped stops a job with Ctrl-Z, and continues it with the command of a shell. A shell
// cannot be stopped while it waits for the program that it creates by vfork(2), so the
// payload waits without one.
func (c *cell) stopped(command string) string {
	fifo := filepath.Join(openDir(c.T), "fifo")
	if err := unix.Mkfifo(fifo, 0o666); err != nil {
		c.Fatal(err)
	}
	s := newSession(c.T, "set -m; "+environment(c.line)+" sh -c 'echo up >&9; read x <"+fifo+"; exit 7'; echo status $? >&9; "+
		command+" >/dev/null; echo status $? >&9; echo end >&9")
	s.await("up")
	s.types("\x1a")
	stop, _ := s.out.ReadString('\n')
	if stop != "status 147\n" && stop != "status 148\n" {
		return stop
	}
	w, err := os.OpenFile(fifo, os.O_RDWR, 0)
	if err != nil {
		c.Fatal(err)
	}
	defer w.Close()
	w.WriteString("on\n")
	end, _ := s.out.ReadString('\n')
	return goesOn(strings.TrimSpace(strings.TrimPrefix(end, "status ")))
}

// overTime gives the chain a --wall, and some milliseconds after that. The payload
// ignores SIGTERM if the caller of the chain does.
func overTime(more int, caller string) func(*cell, string) string {
	return func(c *cell, want string) string {
		if strings.HasPrefix(c.line, "HK_FUSE=0") && strings.Contains(c.line, "pid") {
			return want // hk-limit lacks the procfs of the PID namespace: limit_wall
		}
		line := strings.Replace(c.line, " --wall 1h", "", 1)
		line = strings.Replace(line, "hk-limit", fmt.Sprintf("hk-limit --wall %dms --kill-after %dms", 50*slow, more*slow), 1)
		return c.ended(start(c.T, "sh", "-c", caller+"exec "+environment(line)+" sleep 1105"))
	}
}

// noProcess starts a chain that may not create a thread: as an ordinary user by the
// limit of the user, as root by a group of cgroup v1, where there is one.
func noProcess(c *cell, want string) string {
	limit := "ulimit -u 1"
	if os.Getuid() == 0 {
		group := filepath.Join("/sys/fs/cgroup/pids", fmt.Sprintf("%s%p", own, c))
		if os.Mkdir(group, 0o755) != nil {
			return want
		}
		defer os.Remove(group)
		limit = fmt.Sprintf("echo 1 >%s/pids.max; echo $$ >%[1]s/cgroup.procs", group)
	}
	return c.ended(start(c.T, "bash", "-c", limit+"; exec "+environment(c.line)+" true"))
}

// A family is a payload and its child, which live until they are released. Each has the
// only descriptor of the other end of a pipe.
type family struct {
	*job
	ends [8]*os.File // of pipes: standard input, and what both wait for; payload; child
}

const (
	// child is a command in the background that waits until it is released.
	child = ` sh -c 'exec 4>&-; echo up; exec cat <&3 >/dev/null 2>&1' & `
	waits = child + "exec 5>&- cat <&3 >/dev/null 2>&1"
	exits = "exec 5>&-; read x; exit 7"
)

// family starts a chain whose payload has a child.
func (c *cell) family(line string, words ...string) *family {
	c.Helper()
	f := &family{job: newJob(c.T, line, words...)}
	for i := 0; i < len(f.ends); i += 2 {
		r, w, err := os.Pipe()
		if err != nil {
			c.Fatal(err)
		}
		f.ends[i], f.ends[i+1] = r, w
		c.Cleanup(func() {
			r.Close()
			w.Close()
		})
	}
	f.Stdin = f.ends[0]
	f.ExtraFiles = []*os.File{f.ends[2], f.ends[5], f.ends[7]}
	f.begin()
	f.ends[5].Close()
	f.ends[7].Close()
	f.await("up")
	return f
}

func (f *family) endInput() { f.ends[1].Close() }

func (f *family) release() { f.ends[3].Close() }

// Who lives?
const thePayload, theChild = 4, 6

// lives reports whether one of the family lives, which it should or should not, and
// releases all.
func (f *family) lives(who int, want string) string {
	defer f.release()
	patience := time.Duration(slow) * 10 * time.Second
	if want != "killed" {
		patience = time.Duration(slow) * 20 * time.Millisecond
	}
	f.ends[who].SetReadDeadline(time.Now().Add(patience))
	if _, err := f.ends[who].Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		return "lives"
	}
	return "killed"
}

// leaves has a payload end whose child lives. The child was started by a program.
func leaves(program string) func(*cell, string) string {
	return func(c *cell, want string) string {
		f := c.family(c.line, "sh", "-c", "("+program+child+");"+exits)
		f.endInput()
		if want == "awaited" {
			if got := f.lives(theChild, want); got != "lives" || stat(f.Process.Pid)[0] == "Z" {
				return got + ", not awaited"
			}
		}
		if got := goesOn(c.ended(f.job)); got != "-" {
			return "status " + got
		}
		if want == "awaited" {
			return want
		}
		return f.lives(theChild, want)
	}
}

// loses kills the process that was started.
func loses(who int) func(*cell, string) string {
	return func(c *cell, want string) string {
		f := c.family(c.line, "sh", "-c", waits)
		f.Process.Kill()
		c.ended(f.job)
		return f.lives(who, want)
	}
}

// orphaned kills the parent of the process that was started.
func orphaned(who int, flag string) func(*cell, string) string {
	return func(c *cell, want string) string {
		line := c.line
		if flag != "" {
			line = dependent(line, flag)
		}
		f := c.family("sh", "-c", environment(line)+` sh -c "$0" 2>/dev/null & wait`, waits)
		f.Process.Kill()
		c.ended(f.job)
		return f.lives(who, want)
	}
}
