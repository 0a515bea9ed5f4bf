package bisect

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"hk/internal/cli"
	"hk/pkg/chain"
	"hk/pkg/getopt"
	"hk/pkg/unshare"

	"golang.org/x/sys/unix"
)

// A subject is the chain that is searched.
type subject struct {
	chain   *chain.Chain
	find    *chain.Finder
	stages  []stageWords
	payload []string
	force   bool
	// onePlan is set if all stages are in one plan: then each failure of a stage is
	// reported as an event.
	onePlan bool
	// mounts and nets are set if the chain has a mount or network namespace of its own, so
	// that nothing that is for it may be done in that of the host.
	mounts, nets bool
}

// stageWords is a stage as words.
type stageWords struct {
	name  string
	words []word
}

// bare reports whether the stage does what is meant without any flag too: then its flags
// can be taken away from it.
func (s stageWords) bare() bool { return s.name == "hk-idmap" && len(s.words) > 0 }

// A word is a flag, as its stage prints it: head, and the elements of a list that can be
// taken away one by one, or none.
type word struct {
	head string
	list []string
	tail string
}

func (w word) text(list []string) string { return w.head + getopt.JoinList(list) + w.tail }

// A part is what can be taken away: an element of a flag's list, a flag, or a stage without
// flags. flag and element are -1 where there is none.
type part struct{ stage, flag, element int }

// parts are all parts of a stage.
func (s *subject) parts(stage int) (list []part) {
	for i, w := range s.stages[stage].words {
		for j := range w.list {
			list = append(list, part{stage, i, j})
		}
		if len(w.list) == 0 {
			list = append(list, part{stage, i, -1})
		}
	}
	if len(list) == 0 || s.stages[stage].bare() {
		list = append(list, part{stage, -1, -1})
	}
	return list
}

// subject reads the chain.
func (r *request) subject(f *cli.Front, words []string) (*subject, error) {
	find := f.Finder(true)
	c, err := cli.ReadChain(find, words)
	if err != nil {
		return nil, err
	}
	if len(c.Payload) == 0 {
		return nil, fmt.Errorf("%s executes nothing: there is nothing to run", c.Links[len(c.Links)-1].Kind.Name)
	}
	s := &subject{chain: c, find: find, payload: c.Payload, onePlan: c.OnePlan()}
	for _, l := range c.Links {
		if err := s.add(l); err != nil {
			return nil, fmt.Errorf("%s: %w", l.Kind.Name, err)
		}
	}
	for _, name := range r.keep {
		if !slices.ContainsFunc(s.stages, func(w stageWords) bool { return w.name == name }) {
			return nil, fmt.Errorf("--keep %s: the chain has no %s", name, name)
		}
	}
	return s, nil
}

// add adds a stage.
func (s *subject) add(l chain.Link) error {
	if l.Common.Explain != "" || l.Common.StatusFD >= 0 || l.Common.Verbose || l.Common.Why {
		return errors.New("--explain, --status-fd, --verbose and --why are for a chain that is performed once: take them away")
	}
	s.force = s.force || l.Common.ForceOrder
	for _, fd := range l.Common.Args { // they have been read, and are not for the payload
		unix.CloseOnExec(fd)
	}
	if n, ok := l.Stage.(*unshare.Namespaces); ok {
		n.SpellOut()
		s.mounts = s.mounts || n.Enters()&unix.CLONE_NEWNS != 0
		s.nets = s.nets || n.Enters()&unix.CLONE_NEWNET != 0
	}
	words := stageWords{name: l.Kind.Name}
	for _, text := range l.Stage.Args() {
		if usedOnce(text) {
			return fmt.Errorf("%s uses a descriptor, or acts on another process, which not every run could", text)
		}
		words.words = append(words.words, split(l.Kind.Name, text))
	}
	s.stages = append(s.stages, words)
	return nil
}

// usedOnce reports whether a flag names a descriptor, or a process to act on.
func usedOnce(flag string) bool {
	name, _, value := strings.Cut(flag, "=")
	return value && slices.Contains([]string{"--block-fd", "--userns-block-fd", "--userns-fd", "--pid"}, name) ||
		strings.Contains(flag, "=fd:") || strings.Contains(flag, "socket:") || strings.Contains(flag, "pidfd:")
}

// lists are the flags with a list each element of which restricts the payload.
var lists = map[string][]string{
	"hk-seccomp":  {"--deny", "--kill", "--kill-thread", "--trap", "--trace"},
	"hk-landlock": {"--scope", "--restrict"},
	"hk-setuser":  {"--securebits"},
}

// split finds the elements of a flag that is a list. Commas within the parentheses of a
// condition do not separate; a list with one is left whole.
func split(stage, text string) word {
	name, value, ok := strings.Cut(text, "=")
	if !ok || !slices.Contains(lists[stage], name) || strings.ContainsAny(value, "()\\") {
		return word{head: text}
	}
	tail := ""
	if i := strings.LastIndexByte(value, ':'); i >= 0 && stage == "hk-seccomp" {
		value, tail = value[:i], value[i:]
	}
	list := strings.Split(value, ",")
	if len(list) < 2 {
		return word{head: text}
	}
	return word{head: name + "=", list: list, tail: tail}
}

// An addition is flags that may be added to each stage of a name.
type addition struct {
	stage string
	flags []string
}

// unsafe are the parts of stages that would be performed in a namespace of the host, as that
// which the chain has for them is among what is taken away.
func (s *subject) unsafe(without map[part]bool) map[part]bool {
	list := map[part]bool{}
	var entered uint64
	for i, st := range s.stages {
		flags, all := s.left(i, without)
		switch {
		case all:
		case st.name == "hk-mount" && s.mounts && entered&unix.CLONE_NEWNS == 0 && slices.Contains(flags, "--in-place"),
			st.name == "hk-net" && s.nets && entered&unix.CLONE_NEWNET == 0:
			for _, p := range s.parts(i) {
				list[p] = !without[p]
			}
		case st.name == "hk-unshare":
			n := &unshare.Namespaces{}
			var fs getopt.Flags
			n.Flags(&fs)
			if _, err := fs.Parse(flags); err == nil {
				entered |= n.Enters()
			}
		}
	}
	maps.DeleteFunc(list, func(_ part, also bool) bool { return !also })
	return list
}

// build is the chain without parts and with additions, as words that a child finds, without the
// payload.
func (s *subject) build(without map[part]bool, more []addition) (words []string) {
	without = union(without, s.unsafe(without))
	for i, st := range s.stages {
		flags, all := s.left(i, without)
		if all {
			continue
		}
		words = append(words, s.find.Word(st.name))
		if s.force {
			words = append(words, "--force-order")
		}
		words = append(words, withMore(st.name, flags, more)...)
	}
	return words
}

// withMore adds flags: before the others for hk-seccomp, where the first rule that fits
// counts, in place of those of the same name for hk-limit, which applies both, and after them
// otherwise.
func withMore(stage string, flags []string, more []addition) []string {
	var added []string
	for _, a := range more {
		if a.stage == stage {
			added = append(added, a.flags...)
		}
	}
	switch stage {
	case "hk-seccomp":
		return append(added, flags...)
	case "hk-limit":
		flags = slices.DeleteFunc(slices.Clone(flags), func(f string) bool {
			name, _, _ := strings.Cut(f, "=")
			return slices.ContainsFunc(added, func(a string) bool { return strings.HasPrefix(a, name+"=") })
		})
	}
	return append(flags, added...)
}

// left are the flags of a stage without parts; all is set if nothing is left of it.
func (s *subject) left(stage int, without map[part]bool) (flags []string, all bool) {
	st := s.stages[stage]
	for i, w := range st.words {
		if len(w.list) == 0 {
			if !without[part{stage, i, -1}] {
				flags = append(flags, w.head)
			}
			continue
		}
		var list []string
		for j, e := range w.list {
			if !without[part{stage, i, j}] {
				list = append(list, e)
			}
		}
		if len(list) > 0 {
			flags = append(flags, w.text(list))
		}
	}
	if len(st.words) == 0 || st.bare() {
		return flags, without[part{stage, -1, -1}]
	}
	return flags, len(flags) == 0
}

// names says what parts are, a text for each stage.
func (s *subject) names(parts map[part]bool) (list []string) {
	for i, st := range s.stages {
		rest := map[part]bool{}
		any := false
		for _, p := range s.parts(i) {
			rest[p] = !parts[p]
			any = any || parts[p]
		}
		if !any {
			continue
		}
		flags, _ := s.left(i, rest)
		words := []string{st.name}
		for _, f := range flags {
			words = append(words, cli.Quote(f))
		}
		list = append(list, strings.Join(words, " "))
	}
	return list
}
