package doctor

import (
	"fmt"
	"os"
	"path/filepath"

	"hk/internal/cli"
	"hk/pkg/chain"
	"hk/pkg/stage"
)

// nobody is a payload that does not exist, so that a chain ends where it would be executed.
const nobody = "/nonexistent/hk-doctor"

// perform performs a chain of stages in this process, or a child of it, up to the payload.
func perform(f *cli.Front) int {
	c, err := chain.Parse(os.Args[1:])
	if err != nil {
		return f.Fail(exitFailed, childFD, err)
	}
	var list []stage.Stage
	for _, l := range c.Links {
		list = append(list, l.Stage)
	}
	common := chain.Common{StatusFD: childFD}
	return f.Run(chain.Compiled(os.Args, common, list, []string{nobody}))
}

// plan reads and plans a chain, and says what its ops are.
func plan(f *cli.Front) int {
	fail := func(err error) int { return f.Fail(exitFailed, childFD, err) }
	words := os.Args[1:]
	kind := chain.ByName(filepath.Base(words[0]))
	if kind == nil {
		return fail(fmt.Errorf("%s is not a stage", words[0]))
	}
	c, err := chain.Read(kind, words, &chain.Finder{ByFD: true, Fuse: true, Payload: nobody})
	if err != nil {
		return fail(err)
	}
	s, err := c.Plan(f.Host)
	if err != nil {
		return fail(err)
	}
	for _, it := range s.Plan.Items() {
		say(line{Stage: it.Stage(), Op: it.Text()})
	}
	for _, note := range s.Report.Notes {
		say(line{Note: note})
	}
	for _, skip := range s.Report.Skipped {
		say(line{Stage: skip.Stage, Note: "skips " + skip.What})
	}
	if later := c.Later(); later != "" {
		say(line{Rest: later})
	}
	return 0
}
