// Package why is hk-why: it says what a chain refuses to its payload, and which flag of
// which stage would allow it.
//
// The answers come from the plan of the chain, which is made and not performed: the
// compiled filters, the rules of the Landlock domains, and the mounts. Where the plan
// cannot tell, the answer is unknown.
package why

import (
	"errors"
	"io"
	"os"
	"strconv"

	"hk/internal/cli"
	"hk/pkg/chain"
	"hk/pkg/getopt"
	"hk/pkg/host"
)

// Exit statuses besides 0: everything that was asked is allowed.
const (
	exitDenied  = 1
	exitUnknown = 2
	exitFailed  = 125
	// Of a chain whose payload could not be executed.
	exitNotExecutable = 126
	exitNotFound      = 127
)

// Usage is the text of --help.
const Usage = `hk-why [--ask LIST] [--json] [--] CHAIN: what a chain refuses to its payload

 --ask LIST               read:PATH, write:PATH, exec:PATH, create:PATH,
                          remove:PATH, connect:PORT, bind:PORT, call:NAME,
                          call:NAME(arg0==1,arg1==2), cap:NAME
 --json                   print the answers as JSON, or a line of JSON for each refusal
 --pid PID                with --ask: the chain that has made this process's sandbox
 --output FILE|fd:N       tell of a run there, and not on standard error
 -h, --help               print the flags and exit
 --version                print the version and exit
With --ask the chain is planned, and not performed. The answers are allowed, denied and
unknown, and say which flag would allow what is denied. The exit status is 0 if all is
allowed, 1 if something is denied, 2 if something is unknown, and 125 for an error.
Without it the chain is performed, and its payload followed with ptrace(2): what it is
refused is written to standard error, as it happens and at the end.
See hk-why(1).
`

const usageLine = "hk-why [--ask LIST [--pid PID]] [--json] [--output FILE|fd:N] [--] [CHAIN]"

// A line is a command line.
type line struct {
	questions     []question
	json          bool
	output        output
	pid           int
	help, version bool
}

// Flags adds the flags to fs.
func Flags(fs *getopt.Flags) { (&line{}).flags(fs) }

func (l *line) flags(fs *getopt.Flags) {
	fs.String("ask", "", func(v string) error {
		list, err := parseQuestions(v)
		l.questions = append(l.questions, list...)
		return err
	})
	fs.Bool("json", "", &l.json)
	fs.String("output", "", func(v string) error {
		l.output = output(v)
		return l.output.check()
	})
	fs.String("pid", "", func(v string) error {
		n, err := strconv.ParseInt(v, 10, 32)
		if l.pid = int(n); err != nil || n <= 0 {
			return errors.New("not the number of a process")
		}
		return nil
	})
	fs.Bool("help", "h", &l.help)
	fs.Bool("version", "", &l.version)
}

// Main runs hk-why. It does not return. Preconditions: those of [cli.Main].
func Main() { cli.MainFront("hk-why", perform) }

func perform(f *cli.Front) int {
	var l line
	var fs getopt.Flags
	l.flags(&fs)
	words, err := fs.Parse(os.Args[1:])
	switch {
	case err != nil:
		return f.Usage(exitFailed, err, usageLine)
	case l.help:
		return f.Print(func(w io.Writer) error {
			_, err := io.WriteString(w, Usage)
			return err
		})
	case l.version:
		return f.Version()
	case l.pid > 0 && len(words) > 0:
		return f.Usage(exitFailed, errors.New("--pid finds the chain: none is to be given"), usageLine)
	case l.pid > 0 && len(l.questions) == 0:
		return f.Usage(exitFailed, errors.New("--pid is for --ask: a process that runs is not followed"), usageLine)
	case l.pid > 0:
		return l.askRunning(f)
	case len(words) == 0:
		return f.Usage(exitFailed, errors.New("no chain"), usageLine)
	case len(l.questions) > 0 && l.output != "":
		return f.Usage(exitFailed, errors.New("--output is for a run, and --ask runs nothing"), usageLine)
	}
	find := f.Finder(true)
	if len(l.questions) > 0 {
		find.Payload = "/nonexistent/hk-why" // it is not to be performed
	}
	c, err := cli.ReadChain(find, words)
	if err == nil && len(l.questions) == 0 {
		return l.followChain(f, c)
	}
	return l.ask(f, c, err)
}

// ask answers the questions about a chain, unless it could not be read.
func (l *line) ask(f *cli.Front, c *chain.Chain, err error) int {
	if err == nil {
		err = host.CheckFloor()
	}
	var s *subject
	if err == nil {
		c.Links[len(c.Links)-1].Common.Explain = "text" // it is not to be performed
		s, err = newSubject(c, f.Host)
	}
	if err != nil {
		return f.Fail(exitFailed, -1, err)
	}
	return l.say(f, s.answer(l.questions))
}

// say prints answers, and returns the exit status for them.
func (l *line) say(f *cli.Front, answers []answer) int {
	code := status(answers)
	if f.Print(func(w io.Writer) error { return print(w, answers, l.json) }) != 0 {
		return exitFailed
	}
	return code
}
