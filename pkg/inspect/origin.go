package inspect

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"hk/internal/vis"
	"hk/pkg/execdeps"
	"hk/pkg/host"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// chain prints the chain that has made a process.
func (i *Inspection) chain(s *stage.State, w io.Writer) error {
	own, other, err := readForChain(s.Host, i.PID)
	if err != nil {
		return err
	}
	// The process is stopped for what its filters do, so that is read once, if it is printed.
	read := false
	filters := func() {
		if i.Contents && !read {
			other.addContents(s.Host, i.PID)
		}
		read = true
	}
	call := callerOf(s.Host)
	if i.Chain == "kernel" {
		filters()
		return writeChain(w, own, other, call)
	}
	list, notes, err := Supervisors(s.Host, i.PID)
	if err != nil {
		return err
	}
	var b strings.Builder
	told := len(list) > 0 // whether all chains are printed, and hold
	for n, sup := range list {
		if err := sup.reused(i.PID, other); err != nil {
			return err
		}
		l, err := sup.look(s, func(pid int) (*Report, error) {
			if pid != i.PID {
				return readBelow(s.Host, pid, i.Contents)
			}
			filters()
			return other, nil
		})
		if err != nil {
			return err
		}
		if told = told && l.holds(); l.holds() && n == len(list)-1 && i.PID != l.pid {
			if more := since(l.below, other); len(more) > 0 {
				notes = append(notes, fmt.Sprintf("Process %d, which is below process %d, has since: %s", i.PID, l.pid, strings.Join(more, ", ")))
				told = false
			}
		}
		l.write(&b)
	}
	if len(list) == 0 {
		notes = append(notes, "No supervisor of hk is above the process: it has taken the place of a chain that needed none, or the supervisor has ended, or another program has made what holds for it")
	}
	for _, n := range notes {
		comment(&b, n)
	}
	if _, err := io.WriteString(w, b.String()); err != nil || told {
		return err
	}
	filters()
	return writeChain(w, own, other, call)
}

// callerOf says how the stages of this installation are called here.
func callerOf(h *host.Host) func(name string) string {
	dir, err := ownDir(h)
	if err != nil {
		return func(name string) string { return name }
	}
	return func(name string) string { return execdeps.Word(name, dir, h.Search().Path) }
}

func comment(b *strings.Builder, text string) { b.WriteString("# " + vis.Text(text) + "\n") }

// A level is a sandbox: a supervisor, and how its chain compares with the process below.
type level struct {
	comparison
	sup *Supervisor
	// pid is the process below that is compared, and err says why none is.
	pid int
	err error
	// path is the PATH of the process that looks.
	path string
}

// look compares a chain with the process below, of which read tells. It fails only if
// descriptors or memory run out.
func (s *Supervisor) look(state *stage.State, read func(pid int) (*Report, error)) (*level, error) {
	l := &level{sup: s, path: state.Host.Search().Path}
	if l.pid = s.PID; s.Own >= len(s.Below) {
		l.err = errors.New("the process is one of hk itself, and no payload")
		return l, nil
	}
	l.pid = s.Below[s.Own]
	if l.err = l.compareWith(state, read); exhausted(l.err) {
		return nil, fmt.Errorf("the chain of process %d: %w", s.PID, l.err)
	}
	return l, nil
}

func (l *level) compareWith(state *stage.State, read func(pid int) (*Report, error)) (err error) {
	if l.own, l.above, err = l.sup.reports(state.Host); err != nil {
		return err
	}
	if l.below, err = read(l.pid); err != nil {
		return err
	}
	if err := cmp.Or(l.sup.reused(l.sup.PID, l.above), l.sup.reused(l.pid, l.below)); err != nil {
		return err
	}
	if name := filepath.Base(l.below.command[0]); slices.Contains(helpers, name) {
		return fmt.Errorf("process %d, %s, is a helper of the supervisor, and not in the sandbox", l.pid, name)
	}
	if l.below.IDs == nil || l.below.Caps == nil || l.below.Seccomp == nil {
		return fmt.Errorf("the status of process %d cannot be read", l.pid)
	}
	if l.plan, err = l.sup.replan(state, l.own, l.above); err == nil {
		p, _ := l.sup.performer()
		l.marks, l.supervised = p.marks, p.traces || l.sup.library != ""
		l.compare()
	}
	return err
}

// helpers are programs of hk that a supervisor has as children. A payload that calls itself
// like one only has less said about it.
var helpers = []string{"hk-cgroup-keeper", "hk-net-forward"}

// Doubts compares what the chain makes with what the kernel tells of the processes below,
// down to pid if the supervisor is the innermost one above that, and otherwise 0. It says
// what differs, or why it is not known; nothing if the kernel tells the same.
func (s *Supervisor) Doubts(state *stage.State, pid int) []string {
	l, err := s.look(state, func(pid int) (*Report, error) { return readBelow(state.Host, pid, false) })
	switch {
	case err != nil:
		return []string{err.Error()}
	case l.err != nil:
		return []string{l.err.Error()}
	}
	doubts := l.differs
	if len(doubts) == 0 && !l.marked {
		doubts = append(doubts, fmt.Sprintf("nothing distinguishes process %d from a child that process %d had before its chain began", l.pid, s.PID))
	}
	if pid == 0 || pid == l.pid {
		return doubts
	}
	other, err := Read(state.Host, What{PID: pid, Sections: sectionsOfChain})
	if err != nil {
		return append(doubts, err.Error())
	}
	if err := s.reused(pid, other); err != nil {
		return append(doubts, err.Error())
	}
	if more := since(l.below, other); len(more) > 0 {
		doubts = append(doubts, fmt.Sprintf("process %d, which is below process %d, has since: %s", pid, l.pid, strings.Join(more, ", ")))
	}
	return doubts
}

// Stages are the words of the chain, from the name of its first stage on.
func (s *Supervisor) Stages(state *stage.State) ([]string, error) {
	own, above, err := s.reports(state.Host)
	if err != nil {
		return nil, err
	}
	return s.stages(state, own, above)
}

func (s *Supervisor) stages(state *stage.State, own, above *Report) ([]string, error) {
	if s.isFront() {
		return s.compile(state, own, above)
	}
	if p, ok := s.performer(); ok {
		chain, err := p.chain(s.Words)
		s.chain = chain
		return chain, err
	}
	if s.other != "" {
		return append([]string{s.other}, s.Words[1:]...), nil
	}
	return s.Words, nil
}

// replan makes the plan, in the working directory of the supervisor.
func (s *Supervisor) replan(state *stage.State, own, above *Report) (*stage.State, error) {
	words, err := s.stages(state, own, above)
	if err != nil {
		return nil, err
	}
	h, err := s.as(state.Host, own, above)
	if err != nil {
		return nil, err
	}
	var plan *stage.State
	err = s.Within(h, func() (err error) {
		plan, s.called, err = state.Replan(words, s.Dir, h)
		return err
	})
	for i := range s.called {
		s.called[i].At += len(s.shown()) - len(words)
	}
	return plan, err
}

// Within calls do in the working directory of the supervisor, as its host ([Supervisor.Host])
// says, and without the caller's standard input. Where the directory is not known, relative
// names lead to no file.
func (s *Supervisor) Within(h *host.Host, do func() error) error {
	here, err := unix.Open(".", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("the working directory: %w", err)
	}
	defer unix.Close(here)
	there := "/proc"
	if h.Dir != "" {
		there = fmt.Sprintf("/proc/%d/cwd", s.PID)
	}
	if err := unix.Chdir(there); err != nil {
		return fmt.Errorf("its working directory: %w", err)
	}
	restore, err := hideInput()
	if err != nil {
		return errors.Join(fmt.Errorf("standard input: %w", err), unix.Fchdir(here))
	}
	return errors.Join(do(), restore(), unix.Fchdir(here))
}

// hideInput puts something else in the place of standard input: a name in a chain may be a
// link to it, and what it has be read.
func hideInput() (restore func() error, err error) {
	flags, err := unix.FcntlInt(0, unix.F_GETFD, 0)
	if err != nil {
		return func() error { return nil }, nil // it is closed
	}
	in, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, err
	}
	null, err := unix.Open("/dev/null", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err == nil {
		err = unix.Dup3(null, 0, unix.O_CLOEXEC)
		unix.Close(null)
	}
	restore = func() error {
		how := 0
		if flags&unix.FD_CLOEXEC != 0 {
			how = unix.O_CLOEXEC
		}
		return errors.Join(unix.Dup3(in, 0, how), unix.Close(in))
	}
	if err != nil {
		return nil, errors.Join(err, restore())
	}
	return restore, nil
}

// holds reports whether what the kernel tells is what the chain makes.
func (l *level) holds() bool { return l.err == nil && len(l.differs) == 0 && l.marked }

// write prints the command line, and before it what is known about it.
func (l *level) write(b *strings.Builder) {
	s := l.sup
	by := fmt.Sprintf("the command line of process %d, %s,", s.PID, filepath.Base(s.Words[0]))
	if s.library != "" {
		by = fmt.Sprintf("the memory of process %d, %s,", s.PID, s.library)
	}
	switch {
	case l.err != nil:
		comment(b, fmt.Sprintf("As %s says. It was not compared with what the kernel tells: %v", by, l.err))
	case len(l.differs) > 0:
		comment(b, fmt.Sprintf("Not what the kernel tells of process %d is %s which says:", l.pid, by))
	case !l.marked:
		comment(b, fmt.Sprintf("Nothing that the kernel tells distinguishes process %d from a child that process %d had before its chain began. It may have none of %s which says:", l.pid, s.PID, by))
	case s.Unsure != "":
		comment(b, fmt.Sprintf("As %s says. The kernel tells the same of process %d: %s", by, l.pid, strings.Join(l.agrees, ", ")))
	default:
		comment(b, fmt.Sprintf("Exact: made by %s of which the kernel tells the same, for process %d: %s", by, l.pid, strings.Join(l.agrees, ", ")))
	}
	l.writeUnsure(b)
	if s.PID == 1 && !l.holds() {
		comment(b, "Process 1 may be the init of a sandbox in which this process is, too")
	}
	for _, d := range l.differs {
		comment(b, d)
	}
	if l.below != nil && l.below.Thread != 0 {
		comment(b, fmt.Sprintf("Of process %d, %s", l.pid, l.below.shownThread()))
	}
	if l.holds() {
		l.writeUntold(b)
	}
	if l.holds() && (readsFiles(s.shown()) || s.program() == "hk-run" && readsFiles(s.Words)) {
		comment(b, "What is in the files that it names may have changed since it was started")
	}
	if l.above != nil && l.above.Root != nil && l.above.Root.Directory != l.own.Root.Directory && l.above.Root.Directory != "" {
		comment(b, "Its working directory: "+l.above.Root.Directory)
	}
	if p, ok := s.performer(); ok {
		comment(b, fmt.Sprintf("%s %s the process", s.program(), p.does))
	}
	if s.chain != nil && s.isFront() {
		comment(b, "The chain is what "+s.program()+" compiles its command line to:")
		b.WriteString("# ")
		sentence(b, s.Words, nil, "# ")
		b.WriteByte('\n')
	}
	words, breaks, as := s.callable(l.path)
	for _, how := range as {
		comment(b, how)
	}
	before := ""
	if !l.holds() { // nobody should run it
		before = "# "
	}
	b.WriteString(before)
	sentence(b, words, breaks, before)
	b.WriteByte('\n')
}

// readsFiles reports whether a flag names a file of which the content matters, and is not
// compared.
func readsFiles(words []string) bool {
	for i, w := range words {
		name, value, has := strings.Cut(w, "=")
		if !has && i+1 < len(words) {
			value = words[i+1]
		}
		switch name {
		case "--":
			return false
		case "--rules", "--bpf", "--fstab", "--file-from", "--data", "--data-rw":
			return true
		case "--profile", "--config", "-c", "--seccomp":
			if strings.ContainsAny(value, "./") {
				return true
			}
		}
	}
	return false
}

// since says what a process below another one has otherwise.
func since(above, below *Report) (list []string) {
	for name, ns := range below.Namespaces {
		if ns.ID != above.Namespaces[name].ID {
			list = append(list, "another "+name+" namespace")
		}
	}
	if above.Seccomp != nil && below.Seccomp != nil && above.Seccomp.Filters != nil && below.Seccomp.Filters != nil && *above.Seccomp.Filters != *below.Seccomp.Filters {
		list = append(list, fmt.Sprintf("%d filters", *below.Seccomp.Filters))
	}
	if above.IDs != nil && below.IDs != nil && (above.IDs.UID != below.IDs.UID || above.IDs.GID != below.IDs.GID || !slices.Equal(above.IDs.Groups, below.IDs.Groups)) {
		list = append(list, "other IDs")
	}
	if above.Caps != nil && below.Caps != nil && (above.Caps.sets != below.Caps.sets || above.Caps.NoNewPrivs != below.Caps.NoNewPrivs) {
		list = append(list, "other capabilities or no_new_privs")
	}
	if above.Namespaces["mnt"].ID == below.Namespaces["mnt"].ID && !sameMounts(above.Mounts, below.Mounts) {
		list = append(list, "other mounts, or another root directory")
	}
	slices.Sort(list)
	return list
}
