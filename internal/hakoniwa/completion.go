package hakoniwa

import (
	"errors"
	"io"
	"strings"

	"hk/internal/bisect"
	"hk/internal/bwrap"
	"hk/internal/cli"
	"hk/internal/completion"
	"hk/internal/doctor"
	"hk/internal/learn"
	"hk/internal/why"
	"hk/pkg/chain"
	"hk/pkg/getopt"
)

const completionLine = "hk-run completion bash|zsh|fish|elvish [PROGRAM...]"

// commonUsage is about the flags that all programs have.
const commonUsage = `
 -h, --help               print the flags and exit
 --version                print the version and exit
 --explain[=text|json|why|diff]  print the plan, do nothing
 -v, --verbose            print each call and its result
 --status-fd N            write events to descriptor N
 --args FD                read more flags from a descriptor
 --force-order            try an order of stages that cannot work
 --why                    tell what the payload is refused
`

// programs are the programs whose words are completed.
func programs() []completion.Program {
	var list []completion.Program
	for _, k := range chain.Kinds {
		list = append(list, completion.Program{Name: k.Name, Usage: k.Usage + commonUsage, Flags: chain.FlagsOf(k)})
	}
	var l line
	var fs getopt.Flags
	l.flags(&flags{&fs})
	list = append(list, completion.Program{Name: "hk-run", Usage: Usage + commonUsage, Flags: &fs, Dashes: true, Completion: true})
	var options getopt.Flags
	bwrap.Flags(&options)
	list = append(list, completion.Program{Name: "hk-bwrap", Usage: bwrap.Usage + commonUsage, Flags: &options})
	var asks, asked, bisects, learns getopt.Flags
	why.Flags(&asks)
	list = append(list, completion.Program{Name: "hk-why", Usage: why.Usage, Flags: &asks})
	doctor.Flags(&asked)
	list = append(list, completion.Program{Name: "hk-doctor", Usage: doctor.Usage, Flags: &asked, Dashes: true})
	bisect.Flags(&bisects)
	list = append(list, completion.Program{Name: "hk-bisect", Usage: bisect.Usage, Flags: &bisects})
	learn.Flags(&learns)
	return append(list, completion.Program{Name: "hk-learn", Usage: learn.Usage, Flags: &learns})
}

// complete prints the completions for a shell.
func complete(f *cli.Front, words []string) int {
	err := errors.New("which shell?")
	if len(words) > 0 {
		var script strings.Builder
		if err = completion.Write(&script, words[0], programs(), words[1:]); err == nil {
			return f.Print(func(w io.Writer) error {
				_, err := io.WriteString(w, script.String())
				return err
			})
		}
	}
	return f.Usage(exitUsage, err, completionLine)
}
