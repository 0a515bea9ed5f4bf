package why

import (
	"errors"
	"slices"
	"strings"

	"hk/pkg/chain"
	"hk/pkg/host"
	"hk/pkg/stage"
)

// A subject is a chain that is asked about, with its plan.
type subject struct {
	chain   *chain.Chain
	host    *host.Host
	state   *stage.State
	domains []*domain
}

// newSubject plans a chain. Nothing is changed.
func newSubject(c *chain.Chain, h *host.Host) (*subject, error) {
	state, err := c.Plan(h)
	if err != nil {
		return nil, err
	}
	s := &subject{chain: c, host: h, state: state}
	s.domains = s.findDomains()
	return s, nil
}

// A verdict is the answer to a question. A larger one outweighs a smaller one.
type verdict uint8

const (
	allowed verdict = iota
	unknown
	denied
)

func (v verdict) String() string { return [...]string{"allowed", "unknown", "denied"}[v] }

// A class says what refuses something. Programs may match on it.
type class string

const (
	bySeccomp    class = "seccomp"
	byLandlock   class = "landlock"
	byReadOnly   class = "read-only mount"
	byNoexec     class = "noexec mount"
	byHidden     class = "hidden path"
	byCapability class = "capability"
	byNetwork    class = "network"
	byUser       class = "user"
	byMounts     class = "separate mounts"
	byNodev      class = "nodev mount"
	byMap        class = "ID map"
	byNosuid     class = "nosuid mount"
	byLimit      class = "limit"
	byNoGain     class = "no_new_privs"
	notSandbox   class = "not the sandbox"
	unseen       class = "unseen"
)

// A reason is why something is denied, or why the answer is not known.
type reason struct {
	class   class
	verdict verdict
	// what says it.
	what string
	// flags would allow it, in stage: flags of each stage of that name. They are tried
	// before they are named.
	stage string
	flags []string
	// elsewhere are other flags to try if these do not suffice.
	elsewhere [][]string
	// question is what was asked, and also what else may refuse it.
	question question
	also     string
	// places are what it is about, if it is Landlock's, and the rights that are missing.
	places []place
}

// An answer is what was found out about a question.
type answer struct {
	question question
	verdict  verdict
	reasons  []reason
}

// answer answers all questions.
func (s *subject) answer(questions []question) []answer {
	var all []answer
	for _, q := range questions {
		a := answer{question: q, reasons: s.reasons(q)}
		for i := range a.reasons {
			a.verdict = max(a.verdict, a.reasons[i].verdict)
			s.confirm(q, &a.reasons[i])
		}
		all = append(all, a)
	}
	return all
}

// reasons are what speaks against something, in the order in which the kernel decides.
func (s *subject) reasons(q question) (list []reason) {
	switch q.kind {
	case "call":
		list = s.call(q.name, q.call)
	case "cap":
		list = s.capability(q.bit)
	case "connect", "bind":
		list = s.port(q)
	case "kernel":
		list = s.deniedBy(*q.denial)
	case "user ID", "group ID":
		list = s.mapping(q)
	case "setgroups":
		list = s.noGroups()
	case "change":
		list = s.notOwned(q)
	default:
		list = s.file(q)
	}
	if s.state.Next.Stage {
		list = append(list, reason{class: unseen, verdict: unknown,
			what: "the chain needs a second plan, from one of its stages on, which is made while it runs"})
	}
	var once []reason
	for _, r := range list {
		if !slices.ContainsFunc(once, func(o reason) bool { return o.class == r.class && o.what == r.what }) {
			once = append(once, r)
		}
	}
	return once
}

// confirm tries the flags of a reason: those remain with which the reason does not apply.
func (s *subject) confirm(q question, r *reason) {
	tries := append([][]string{r.flags}, r.elsewhere...)
	r.flags, r.elsewhere = nil, nil
	if r.verdict != denied || r.stage == "" {
		return
	}
	for _, flags := range tries {
		if len(flags) == 0 {
			continue
		}
		again, err := s.with(r.stage, flags)
		if err != nil {
			continue
		}
		same := func(other reason) bool { return other.class == r.class && other.what == r.what }
		if !slices.ContainsFunc(again.reasons(q), same) {
			r.flags = flags
			return
		}
	}
}

var errReadOnce = errors.New("the chain reads something that can be read once")

// readOnce reports whether a flag names standard input or a descriptor.
func readOnce(flag string) bool {
	return strings.HasSuffix(flag, "=-") || strings.Contains(flag, "=fd:")
}

// with is the same chain with more flags for each stage of a name: before the others for
// hk-seccomp, where the first rule that fits counts, in place of them for allIDs, and after them
// otherwise.
func (s *subject) with(name string, flags []string) (*subject, error) {
	c := *s.chain
	c.Links = slices.Clone(c.Links)
	for i, l := range c.Links {
		if slices.ContainsFunc(l.Stage.Args(), readOnce) {
			return nil, errReadOnce
		}
		if l.Kind.Name != name {
			continue
		}
		words := append(l.Stage.Args(), flags...)
		if name == "hk-seccomp" {
			words = append(slices.Clone(flags), l.Stage.Args()...)
		}
		if slices.Equal(flags, allIDs) {
			words = flags
		}
		fs := chain.FlagsOf(l.Kind)
		fs.Reset()
		c.Links[i].Stage = l.Kind.New()
		c.Links[i].Stage.Flags(fs)
		if _, err := fs.Parse(words); err != nil {
			return nil, err
		}
	}
	return newSubject(&c, s.host)
}
