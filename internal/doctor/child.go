package doctor

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"hk/pkg/cause"
	"hk/pkg/host"

	"golang.org/x/sys/unix"
)

// What a child does, by the name under which it is called. Such a name has a space, so that
// no file is called by it by mistake.
const (
	performs = "hk-doctor performs"
	plans    = "hk-doctor plans"
	looks    = "hk-doctor looks"
	visits   = "hk-doctor visits"
	advises  = "hk-doctor advises"
)

// childFD is the descriptor to which a child writes lines of JSON.
const childFD = 3

// A line is what a child says: an event of a stage, or something of its own.
type line struct {
	// Event, Error, Hint and Cause are those of [cli].
	Event string     `json:"event,omitempty"`
	Stage string     `json:"stage,omitempty"`
	Error string     `json:"error,omitempty"`
	Hint  string     `json:"hint,omitempty"`
	Cause cause.Name `json:"cause,omitempty"`
	// Fact is a name, and Value what was read.
	Fact  string `json:"fact,omitempty"`
	Value string `json:"value,omitempty"`
	// Op is an op of a plan, Note a note about it, and Rest a stage that is planned only when
	// it is executed.
	Op   string `json:"op,omitempty"`
	Note string `json:"note,omitempty"`
	Rest string `json:"rest,omitempty"`
	// Path is one that is about to be looked at.
	Path string `json:"path,omitempty"`
}

// An end is how a child has ended, and what it has said.
type end struct {
	lines []line
	// words is what it has written to standard error.
	words string
	// status is valid unless late is set: it has not ended in time, and was killed.
	status syscall.WaitStatus
	late   bool
	// err is set if it could not be started.
	err error
}

// A nurse starts children and waits for them, but never longer than a time. It makes no call
// that a file system could keep from returning: a child makes those, and one that cannot
// even be killed is left behind.
type nurse struct {
	time time.Duration
	env  []string
	dir  string
}

// program is the file of this program.
func program() string {
	const self = "/proc/self/exe"
	if unix.Access(self, unix.X_OK) == nil {
		return self
	}
	return host.ExecutedAs()
}

// run has a child do something.
func (n *nurse) run(name string, words ...string) end {
	p, err := newPipes()
	if err != nil {
		return end{err: err}
	}
	defer p.close()
	cmd := &exec.Cmd{Path: program(), Args: append([]string{name}, words...), Env: n.env, Dir: n.dir,
		Stdin: p.nothing, Stdout: p.complaint, Stderr: p.complaint, ExtraFiles: []*os.File{p.says},
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}}
	err = cmd.Start()
	p.leave()
	if err != nil {
		return end{err: err}
	}
	var e end
	lines, words2, ended := make(chan []line, 1), make(chan string, 1), make(chan error, 1)
	go func() { lines <- readLines(p.said) }()
	go func() {
		text, _ := io.ReadAll(io.LimitReader(p.complains, 16<<10))
		words2 <- string(text)
	}()
	go func() { ended <- cmd.Wait() }()
	timer := time.NewTimer(n.time)
	defer timer.Stop()
	select {
	case <-ended:
		e.status, _ = cmd.ProcessState.Sys().(syscall.WaitStatus)
	case <-timer.C:
		e.late = true
	}
	unix.Kill(-cmd.Process.Pid, unix.SIGKILL) // what is left of it
	// A process that it has left, or that cannot be killed, may keep the pipes open.
	deadline := time.Now().Add(n.time / 4)
	p.said.SetReadDeadline(deadline)
	p.complains.SetReadDeadline(deadline)
	e.lines, e.words = <-lines, <-words2
	return e
}

// pipes are what a child has instead of files: even /dev/null may be missing.
type pipes struct {
	nothing, said, says, complains, complaint *os.File
}

func newPipes() (p pipes, err error) {
	var end *os.File
	if p.nothing, end, err = os.Pipe(); err != nil {
		return p, err
	}
	end.Close()
	if p.said, p.says, err = os.Pipe(); err == nil {
		p.complains, p.complaint, err = os.Pipe()
	}
	if err != nil {
		p.leave()
		p.close()
	}
	return p, err
}

// leave closes the ends of the child, and close the others.
func (p *pipes) leave() {
	p.nothing.Close()
	p.says.Close()
	p.complaint.Close()
}

func (p *pipes) close() {
	p.said.Close()
	p.complains.Close()
}

func readLines(r io.Reader) (list []line) {
	lines := bufio.NewScanner(io.LimitReader(r, 16<<20))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var l line
		if json.Unmarshal(lines.Bytes(), &l) == nil {
			list = append(list, l)
		}
	}
	return list
}

// failed is the event of the failure, or nil.
func (e *end) failed() *line {
	for i := range e.lines {
		if e.lines[i].Event == "failed" {
			return &e.lines[i]
		}
	}
	return nil
}

// environment is that of the children: this process's without what is hk's own, and with
// only those directories of PATH that answer.
func environment(env []string, answers func(dir string) bool) []string {
	var list []string
	for _, v := range env {
		name, value, _ := strings.Cut(v, "=")
		switch {
		case name == "HK_CHAIN", name == "HK_FUSE", name == "PWD", name == "OLDPWD":
		case name == "PATH":
			var dirs []string
			for _, d := range filepath.SplitList(value) {
				if answers(d) {
					dirs = append(dirs, d)
				}
			}
			list = append(list, "PATH="+strings.Join(dirs, ":"))
		default:
			list = append(list, v)
		}
	}
	return list
}

// say writes a line to the one who has started this child.
func say(l line) {
	b, err := json.Marshal(l)
	if err == nil {
		os.NewFile(childFD, "parent").Write(append(b, '\n'))
	}
}

// visit looks at directories, one after the other, and says so before each. A directory that
// does not exist answers.
func visit(paths []string) int {
	for _, p := range paths {
		say(line{Path: p})
		var st unix.Stat_t
		unix.Stat(p, &st)
		unix.Access(filepath.Join(p, "hk-doctor"), unix.X_OK) // what a search of PATH does
	}
	say(line{Path: "."})
	return 0
}

// silent returns those of the paths that do not answer.
func (n *nurse) silent(paths []string) (list []string, err error) {
	for len(paths) > 0 {
		e := n.run(visits, paths...)
		switch {
		case e.err != nil:
			return nil, e.err
		case !e.late && e.status.ExitStatus() == 0:
			return list, nil
		case len(e.lines) == 0 || len(e.lines) > len(paths):
			return nil, errors.New("a process that only looks at directories does not end: " + e.words)
		}
		last := len(e.lines) - 1
		list = append(list, paths[last])
		paths = paths[last+1:]
	}
	return list, nil
}
