package inspect

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"hk/pkg/execdeps"
	"hk/pkg/host"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// A Supervisor is a program of hk above another process, with the command line by which it
// was started. From that the chain is known that has made the sandbox of the processes
// below: whole, also if its stages have executed one another.
//
// What a command line is worth is said by Unsure. A process can write what it likes over its
// own, so it is evidence only where the kernel tells that the process executes a program of
// hk: that does not write there, and nobody can trace it who could not have traced its
// caller. Whoever could may have started it with any words, or have changed them: what the
// kernel tells of the process below is to be compared with them ([Supervisor.Host] is for
// making the plan).
type Supervisor struct {
	PID int
	// Below are the processes from it down to the one that was asked about, without it: the
	// first ones may be an init, a joiner, and later stages of the same chain.
	Below []int
	// Own is the number of those at the beginning of Below that were cloned from the
	// supervisor, and have executed nothing, or a later part of the chain.
	Own int
	// Words are its command line. The first is the name of a program: a stage, or a front
	// door such as hk-run, or a path of one.
	Words []string
	// Dir is the directory of its program, and so of the stages.
	Dir string
	// Unsure says why it is not known that the process executes a program of this
	// installation, or is "".
	Unsure string

	env    []string
	envErr error
	// called are the stages in the words that are shown, if these could be read.
	called []stage.Called
	// chain is the chain in Words, or the one to which a front door compiles them, or nil if it
	// is Words, or is not known.
	chain []string
	// starts are when it and the processes in Below were started, as in [processStat].
	starts map[int]int
	// library is the name of a program that uses the library, and has the words in its memory, or
	// "".
	library string
	// other is the name of its program, if that was called by one that is not the program's.
	other string
}

// programs are the names of the programs of hk that are supervisors, the stages first.
var programs = []string{"hk-unshare", "hk-idmap", "hk-mount", "hk-net", "hk-setuser", "hk-limit", "hk-landlock", "hk-seccomp", "hk-inspect",
	"hk-run", "hk-bwrap", "hk-why", "hk-learn", "hk-bisect"}

// stagePrograms are the names of the stages.
func stagePrograms() []string { return programs[:slices.Index(programs, "hk-run")] }

// Supervisors are the programs of hk above a process, the outermost first. notes say why
// there may be more of them.
//
// A process that performs a chain without a supervisor becomes the payload, and one whose
// supervisor has ended has none: neither can be found.
func Supervisors(h *host.Host, pid int) (list []*Supervisor, notes []string, err error) {
	line, why, err := ancestors(h, pid)
	defer func() {
		for _, p := range line {
			p.close()
			if p.lack != nil {
				list, notes, err = nil, nil, lacking(pid, p.lack)
			}
		}
	}()
	if err != nil {
		return nil, nil, err
	}
	if why != "" {
		notes = append(notes, why)
	}
	for i := len(line) - 1; i > 0; i-- {
		s, err := asSupervisor(h, line[i])
		if exhausted(err) {
			return nil, nil, lacking(pid, err)
		}
		if err != nil {
			notes = append(notes, fmt.Sprintf("Process %d, above it, has the name of a program of hk: %v", line[i].pid, err))
		}
		if s == nil {
			s = announcedBy(h, line[:i+1])
		}
		if s == nil {
			continue
		}
		s.starts = map[int]int{}
		for _, p := range slices.Backward(line[:i+1]) {
			if p != line[i] {
				s.Below = append(s.Below, p.pid)
			}
			if stat, err := p.stat(); err == nil {
				s.starts[p.pid] = stat.start
			}
		}
		if n := len(list); n > 0 && list[n-1].adopts(s) {
			continue
		}
		list = append(list, s)
	}
	if err := stillInLine(line); err != nil {
		return nil, nil, err
	}
	return list, notes, nil
}

// adopts takes a process directly below, which has the command line of the supervisor or
// the rest of it: an init, a joiner, or a later stage of the same chain.
func (s *Supervisor) adopts(next *Supervisor) bool {
	if s.Own >= len(s.Below) || s.Below[s.Own] != next.PID || !endsIn(s.Words, next.Words) {
		return false
	}
	s.Own++
	if s.Unsure == "" {
		s.Unsure = next.Unsure
	}
	return true
}

// endsIn reports whether a command line ends in another one, or is the same, whatever the
// path of its program is.
func endsIn(words, tail []string) bool {
	n := len(words) - len(tail)
	return n >= 0 && filepath.Base(words[n]) == filepath.Base(tail[0]) && slices.Equal(words[n+1:], tail[1:])
}

// lacking is the error for what could not be read of the processes above another one, because
// descriptors or memory have run out.
func lacking(pid int, err error) error {
	return fmt.Errorf("the processes above process %d: %w", pid, err)
}

// ancestors are a process and those above it, up to the first one that cannot be seen, which
// why is about.
func ancestors(h *host.Host, pid int) (line []*process, why string, err error) {
	p, err := openProcess(h, pid)
	for err == nil {
		line = append(line, p)
		var stat processStat
		if stat, err = p.stat(); err != nil {
			break
		}
		switch {
		case stat.parent == 0 && p.pid != 1:
			return line, fmt.Sprintf("the parent of process %d is in another PID namespace", p.pid), nil
		case stat.parent == 0, len(line) > 1<<16:
			return line, "", nil
		}
		child := p
		p, err = openProcess(h, stat.parent)
		switch {
		case exhausted(err):
			return line, "", lacking(pid, err)
		case err != nil:
			return line, fmt.Sprintf("the parent of process %d cannot be seen: %v", child.pid, err), nil
		}
		p.own = false
	}
	return line, "", err
}

// stillInLine makes sure that the processes have not ended, and so that no number was used
// again while they were opened.
func stillInLine(line []*process) error {
	for i, p := range line {
		stat, err := p.stat()
		if err != nil || i+1 < len(line) && stat.parent != line[i+1].pid {
			return fmt.Errorf("process %d, or one above it, has ended meanwhile", p.pid)
		}
	}
	return nil
}

// reused returns an error if a report is not of the process that had the number when the
// supervisor was found.
func (s *Supervisor) reused(pid int, r *Report) error {
	if r.start == 0 || s.starts[pid] != r.start {
		return fmt.Errorf("process %d has ended meanwhile", pid)
	}
	return nil
}

// stat is what /proc/PID/stat says.
func (p *process) stat() (processStat, error) {
	text, err := p.read("stat")
	if err != nil {
		return processStat{}, err
	}
	return parseStat(text)
}

// asSupervisor looks at a process; it is nil if that does not have the name of a supervisor,
// or is known to execute another program.
//
// Between two looks a process can execute something else. It has page faults then: the
// looks are of one program if there was none between the first and the last.
func asSupervisor(h *host.Host, p *process) (*Supervisor, error) {
	const tries = 20
	for range tries {
		before, err := p.stat()
		if err != nil {
			return nil, err
		}
		s, err := lookAtSupervisor(h, p)
		if s == nil || err != nil {
			return nil, err
		}
		after, err := p.stat()
		if err != nil {
			return nil, err
		}
		if before.faults == after.faults {
			return s, nil
		}
		nap()
	}
	return nil, errors.New("it is too busy to be looked at")
}

// nap lets a process that starts go on.
func nap() {
	t := unix.NsecToTimespec(20e6)
	unix.Nanosleep(&t, nil)
}

func lookAtSupervisor(h *host.Host, p *process) (*Supervisor, error) {
	text, err := p.readWords("cmdline")
	if err != nil || text == "" {
		return nil, nil // a kernel thread, or one that has ended
	}
	s := &Supervisor{PID: p.pid, Words: strings.Split(strings.TrimSuffix(text, "\x00"), "\x00")}
	named := slices.Contains(programs, s.program())
	if s.Dir, err = ownDir(h); err != nil {
		if named {
			return nil, err
		}
		return nil, nil
	}
	is, err := p.executes(s.Dir)
	switch {
	case !named && (err != nil || is == ""):
		return nil, nil
	case exhausted(err):
		return nil, err
	case err != nil:
		s.Unsure = fmt.Sprintf("Which program process %d executes cannot be looked at (%s)", p.pid, reason(err))
	case is == "":
		return nil, errors.New("it executes another one, which is not of this installation")
	case !named || inFile(s.Dir, is) != inFile(s.Dir, s.program()):
		s.other = inFile(s.Dir, is) // whatever it was called by
	}
	if s.onlyAbove() {
		return nil, nil
	}
	if text, s.envErr = p.readWords("environ"); s.envErr == nil {
		s.env = words(strings.TrimSuffix(text, "\x00"), "\x00")
	}
	return s, nil
}

// program is the name of its program.
func (s *Supervisor) program() string {
	if s.other != "" {
		return s.other
	}
	name := filepath.Base(s.Words[0])
	switch {
	case name == "bwrap":
		return "hk-bwrap"
	case strings.HasPrefix(name, "hk-bisect "):
		return "hk-bisect"
	}
	return name
}

// callable are its words with each stage called so that this installation's is executed,
// wherever the one was that its caller has named; path is a value of PATH. breaks are the
// places of the stages, and as says how they were called.
func (s *Supervisor) callable(path string) (words []string, breaks []int, as []string) {
	words = slices.Clone(s.shown())
	called := s.called
	if len(called) == 0 || called[0].At > 0 {
		name := s.program()
		if s.chain != nil {
			name = s.chain[0]
		}
		called = append([]stage.Called{{At: 0, Name: name}}, called...)
	}
	for _, c := range called {
		breaks = append(breaks, c.At)
		if words[c.At] != c.Name {
			as = append(as, fmt.Sprintf("%s was called as %s", c.Name, words[c.At]))
		}
		words[c.At] = c.Name
		if s.Dir != "" {
			words[c.At] = execdeps.Word(c.Name, s.Dir, path)
		}
	}
	return words, breaks, as
}

// ownDir is the directory of this program.
func ownDir(h *host.Host) (string, error) {
	if h.Handover.Program != "" {
		return filepath.Dir(h.Handover.Program), nil
	}
	program, err := h.Program()
	if err == nil && !filepath.IsAbs(program.Path) || strings.HasPrefix(program.Path, "/memfd:") {
		err = errors.New("the directory of the programs of hk is not known here")
	}
	return filepath.Dir(program.Path), err
}
