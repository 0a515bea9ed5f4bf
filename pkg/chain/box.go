package chain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"reflect"
	"runtime"
	"slices"
	"strings"

	"hk/internal/announced"
	"hk/pkg/execdeps"
	"hk/pkg/getopt"
	"hk/pkg/host"
	"hk/pkg/plan"
	"hk/pkg/run"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// New returns a chain of stages, in order. The settings of a stage are its fields, with
// the words of its manual page: an [unshare.Namespaces], a [mount.Mounts]. They must
// not be changed until the chain is prepared.
func New(stages ...stage.Stage) *Chain {
	c := &Chain{takes: true}
	for _, s := range stages {
		c.Links = append(c.Links, Link{Kind: kindOf(s), Stage: s, Common: Common{StatusFD: -1}})
	}
	return c
}

// kindOf is the kind of a stage; a stage from another package gets a kind of its own.
func kindOf(s stage.Stage) *stage.Kind {
	t := reflect.TypeOf(s)
	for _, k := range Kinds {
		if reflect.TypeOf(k.New()) == t {
			return k
		}
	}
	return &stage.Kind{Name: fmt.Sprint(t)}
}

// Parse parses a chain of stages as on a command line, without the program that they
// isolate: "hk-unshare", "--user", "hk-idmap", "--root". A stage is recognized by its
// plain name, and no program of hk needs to be installed.
func Parse(words []string) (*Chain, error) {
	c := &Chain{takes: true}
	var fs getopt.Flags
	for len(words) > 0 {
		kind := ByName(words[0])
		if kind == nil {
			return nil, fmt.Errorf("%q is not a stage; the program to run is given to Box.Command", words[0])
		}
		l := Link{Kind: kind, Stage: kind.New(), words: words}
		fs.Reset()
		rest, err := l.parse(&fs, words[1:])
		if err != nil {
			return nil, named(&UsageError{kind.Name, err})
		}
		c.Links = append(c.Links, l)
		words = rest
	}
	return c, nil
}

// named is an error of a stage with its name, which a command prints before the error.
func named(err error) error {
	var usage *UsageError
	if errors.As(err, &usage) {
		return fmt.Errorf("%s: %w", usage.Stage, err)
	}
	return err
}

// A Box is a prepared sandbox: everything that the stages need to know about the
// machine has been read, and what they do is laid out in memory. It can be started any
// number of times, by any number of goroutines at once, and each command gets a fresh
// sandbox. A Box holds no descriptor and no process, and need not be closed.
//
// What was read when it was prepared applies to all of its commands: which files
// existed, the IDs and capabilities of the program, the environment, the working
// directory. What the kernel passes on to a child is that of the program at each start:
// the umask, ignored signals, resource limits, cgroups, the namespaces that no stage
// creates. What belongs to a thread, such as the nice value, is that of a thread which
// this package starts when it is first used. The soft limit on open files is the one
// with which the program was started, as with os/exec, unless the program has set it.
//
// A Box belongs to the process that prepared it: it cannot be kept in a file.
type Box struct {
	state   *stage.State
	program *run.Program
	path    []string
	last    int
	// said is where this program says which of its children are commands of the box; it may be nil.
	said *announced.Memory
}

// Prepare reads what the flags name on the host, checks all of it, and lays out the
// sandbox. It changes nothing. If ctx ends first, its error is returned, and whatever
// is still being read is left to a goroutine.
//
// Prepare refuses everything for which this program would have to wait for more than a
// child, or to execute itself again: hk-seccomp --learn, hk-unshare --join and
// --die-with-parent, an untrusted root where the payload could write to this program's
// own file, and stages that would need a second process. For an error in the settings,
// errors.As finds a [UsageError].
func (c *Chain) Prepare(ctx context.Context) (*Box, error) {
	if err := c.fits(); err != nil {
		return nil, named(err)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	type result struct {
		box *Box
		err error
	}
	done := make(chan result, 1)
	go func() {
		b, err := c.prepare()
		done <- result{b, err}
	}()
	select {
	case r := <-done:
		return r.box, named(r.err)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *Chain) prepare() (*Box, error) {
	if err := host.CheckFloor(); err != nil {
		return nil, err
	}
	var h *host.Host
	// On that thread no goroutine has changed per-thread attributes.
	err := run.OnThread(nil, func() error { h = host.Calling(); return nil })
	if err != nil {
		return nil, err
	}
	s, err := c.Plan(h)
	if err != nil {
		return nil, err
	}
	s.Report.Comments = append(s.Report.Comments, func() []string {
		comments := []string{"$name, $argv, $envp, $directory and $more are given by the command; for a name with a slash only one of the paths with $name is used"}
		if !h.Ordinary {
			comments = append(comments, "PR_SET_DUMPABLE of the caller is only for a program that is dumpable; the second is performed when no child of another start needs the first, and after CLONE_VM when the child has executed the payload or has ended")
		}
		return comments
	})
	b := &Box{state: s, program: run.Lay(s.Plan), path: searchPath(&s.Env), last: lastFD(h)}
	b.announce(c)
	return b, nil
}

// announce says of which chain the box is, for hk-inspect --pid --chain: in a page of memory,
// because a program has no command line that would say it. A stage from another package has no
// flags.
func (b *Box) announce(c *Chain) {
	if slices.ContainsFunc(c.Links, func(l Link) bool { return l.Kind.New == nil }) {
		return
	}
	if b.said = announced.New(c.Args()); b.said != nil {
		runtime.AddCleanup(b, (*announced.Memory).Close, b.said)
	}
}

// fits refuses chains that a program which continues to run cannot start.
func (c *Chain) fits() error {
	if len(c.Links) == 0 {
		return errors.New("a chain without stages isolates nothing")
	}
	c.takes = true
	for _, l := range c.Links {
		n, name := l.Stage.Needs(), l.Kind.Name
		refuse := ""
		switch p, prints := l.Stage.(stage.Printer); {
		case prints && p.Prints(), l.Common.Help, l.Common.Version:
			refuse = "a stage that prints something starts nothing"
		case l.Common.Explain != "":
			refuse = "--explain: Box.Explain prints the plan"
		case l.Common.Why:
			refuse = "--why: following the payload needs a separate program"
		case l.Common.StatusFD >= 0:
			refuse = "--status-fd: Wait reports how a command ended"
		case n.DieWithParent:
			refuse = "--die-with-parent: a sandbox always dies with the program that started it"
		case n.Attach != nil:
			refuse = "tracing the payload needs a separate program: use --learn on a command line"
		case n.First:
			refuse = "it shows what holds for a process between the stages: use a command line"
		case n.Before != nil || n.AtChild != nil:
			refuse = "what is watched from outside needs a separate program: the parent process, limits of the output and of a control group, reports, and the time, for which a context can be used"
		case n.Joins:
			refuse = "--join: existing namespaces can be joined only by a command line"
		}
		if refuse != "" {
			return &UsageError{name, errors.New(refuse)}
		}
	}
	if links, _, _, _ := c.firstPlan(); len(links) < len(c.Links) {
		return &UsageError{c.Links[len(links)].Kind.Name,
			errors.New("it needs a second process, or must not follow the stage before it: a sandbox has only one process")}
	}
	return c.checkSettings()
}

// Explain writes the plan of the box, in the notation of strace(1): what is done for
// each command, and no other system call is made.
func (b *Box) Explain(w io.Writer) error { return b.state.Text(w) }

// JSON writes the same in a form for programs.
func (b *Box) JSON(w io.Writer) error { return b.state.Plan.JSON(w) }

// Skipped is what was asked for only if possible, and is not done.
func (b *Box) Skipped() []stage.Skip { return slices.Clone(b.state.Report.Skipped) }

// Notes are messages about the plan that do not weaken it.
func (b *Box) Notes() []string { return slices.Clone(b.state.Report.Notes) }

// isolate makes the child of a plan inherit nothing from this program.
func (t *translator) isolate(links []Link) {
	var after []*plan.Op
	if _, other := first(links, func(n stage.Needs) bool { return n.OtherUser }); other && t.Host.DropsGroups {
		after = append(after, plan.Setgroups(t.Host.Groups))
	}
	t.Isolate(lastFD(t.Host), after...)
}

// lastFD is the number of the child's end of the socket: above those of a command's
// files.
func lastFD(h *host.Host) int {
	soft, _ := h.Rlimit(unix.RLIMIT_NOFILE)
	return int(min(soft, plan.MaxFiles+3)) - 1
}

// searchPath lists the directories that are searched for a command. Those that are not
// absolute are skipped: an earlier payload may have written the files in them.
func searchPath(env *stage.Environment) []string {
	var dirs []string
	for _, file := range execdeps.Candidates("x", execdeps.EnvironmentOf(env.List()).Path) {
		if path.IsAbs(file) {
			dirs = append(dirs, strings.TrimSuffix(file, "x"))
		}
	}
	if dirs == nil {
		dirs = []string{"/bin/", "/usr/bin/"}
	}
	return dirs
}

// enterGiven adds the ops that enter the command's directory.
func (t *translator) enterGiven() {
	t.For("the command's directory")
	op := plan.Openat2Given(unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, unix.RESOLVE_NO_MAGICLINKS).
		Hint(unix.ELOOP, "a symbolic link of procfs could lead outside the root").
		Hint(unix.EMFILE, "hk-limit --nofile leaves no descriptor for it: it must come before the stage that creates a process")
	dir := t.Open("dir", op)
	enter, leave := plan.Fchdir(dir), plan.Close(dir)
	enter.If, leave.If = plan.GivenDir, plan.GivenDir
	t.Add(enter, leave)
	t.For("")
}

// execGiven adds the ops that execute the command.
func (t *translator) execGiven() {
	if t.Env.Changed() {
		text := "$envp, unless the command has its own, is " + t.Env.Image(nil).Environment()
		t.Report.Comments = append(t.Report.Comments, func() []string { return []string{text} })
	}
	im := t.Env.GivenImage()
	dirs := searchPath(&t.Env)
	for i, dir := range dirs {
		op := plan.ExecveGiven(dir+"$name", im)
		if i < len(dirs)-1 {
			op = op.Tolerate(tryNext[:]...)
		}
		t.Add(op.Hint(unix.ENOENT, t.notFound("", "", 0)).
			Hint(unix.EACCES, "it, or its interpreter or loader, is not executable, or a directory in the path or a Landlock domain forbids it").
			Hint(unix.ENOEXEC, "it is neither a program for this machine nor a script that starts with #!"))
	}
}
