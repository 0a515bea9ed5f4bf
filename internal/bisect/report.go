package bisect

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"hk/internal/vis"
	"hk/internal/why"
)

// What a search has come to.
const (
	// found is that the payload behaves without some parts.
	found = "found"
	// behaves is that it behaves in the whole chain.
	behaves = "behaves"
	// unknown is that it does not behave with what may be taken away taken away.
	unknown = "unknown"
)

// A report is what was found out.
type report struct {
	Found string `json:"found"`
	// Whole is the end of the run with the whole chain, End of that without what was found,
	// and Outside of that without all that may be taken away, if there was one.
	Whole   string `json:"whole"`
	End     string `json:"end,omitempty"`
	Outside string `json:"outside,omitempty"`
	// Without are the parts, a text for each stage; Also could not remain without them.
	Without []string `json:"without,omitempty"`
	Also    []string `json:"also,omitempty"`
	// Refused is what hk-why says, of the stages in Without, and Allow are flags with which
	// the payload behaves in the whole chain.
	Refused []refusal `json:"refused,omitempty"`
	Allow   []string  `json:"allow,omitempty"`
	// Bounded is set if there were as many runs as may be, and Varies if a run that was
	// repeated has ended in another way.
	Bounded bool `json:"bounded,omitempty"`
	Varies  bool `json:"varies,omitempty"`
	Runs    int  `json:"runs"`

	guilty map[part]bool
	max    int
}

// A refusal is what was refused, and by which class of hk-why(1).
type refusal struct {
	Class string `json:"class"`
	Call  string `json:"call"`
	What  string `json:"what"`
	// Flags would allow it, as they are typed, according to the plan.
	Flags string `json:"flags,omitempty"`
}

// maxRefused is how many refusals are reported.
const maxRefused = 20

// note notes a refusal that the stages may be responsible for; nil are all.
func (r *report) note(f why.Refused, stages map[string]bool) {
	switch {
	case stages != nil && f.Stage != "" && !stages[f.Stage], f.Class == "not the sandbox", f.Class == "unseen", len(r.Refused) == maxRefused:
		return
	}
	n := refusal{Class: f.Class, Call: f.Call, What: f.What}
	if len(f.Flags) > 0 {
		n.Flags = addition{f.Stage, f.Flags}.text()
	}
	for _, o := range r.Refused {
		if o.Class == n.Class && o.What == n.What && o.Flags == n.Flags {
			return
		}
	}
	r.Refused = append(r.Refused, n)
}

// allowing notes what lets the payload behave; then only the refusals that this is about
// are of interest.
func (r *report) allowing(more []addition) {
	r.Allow = additionNames(more)
	var list []refusal
	for _, n := range r.Refused {
		for _, name := range r.Allow {
			if n.Flags == name {
				list = append(list, n)
				break
			}
		}
	}
	r.Refused = list
}

func (r *report) status() int {
	switch r.Found {
	case behaves:
		return exitNothing
	case unknown:
		return exitUnknown
	}
	return 0
}

func (r *report) json(w io.Writer) error {
	var b bytes.Buffer
	to := json.NewEncoder(&b)
	to.SetEscapeHTML(false)
	to.SetIndent("", "  ")
	if err := to.Encode(r); err != nil {
		return err
	}
	_, err := w.Write(vis.JSON(b.Bytes()))
	return err
}

func (r *report) text(w io.Writer) error {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintln(&b, vis.Text(fmt.Sprintf(format, args...))) }
	switch r.Found {
	case behaves:
		say("the payload behaves in the whole chain: %s", r.Whole)
	case unknown:
		say("in the whole chain the payload fails: %s", r.Whole)
		switch {
		case r.Outside != "":
			say("it fails without all that may be taken away too: %s", r.Outside)
		case !r.Bounded:
			say("without all that may be taken away the chain cannot be performed")
		}
		r.helps(say)
	default:
		say("in the whole chain the payload fails: %s", r.Whole)
		say("it behaves without:")
		for _, line := range r.Without {
			say("  %s", line)
		}
		for _, line := range r.Also {
			say("  (and without %s, which cannot be performed then)", line)
		}
		r.helps(say)
	}
	if r.Bounded {
		say("stopped after %d runs (--max-runs %d): a smaller set may be found with more", r.Runs, r.max)
	}
	if r.Varies {
		say("but the same runs, repeated, ended in another way: something else decides too, such as what earlier runs have left (--before COMMAND removes it)")
	}
	if r.Runs == 1 {
		say("1 run")
	} else {
		say("%d runs", r.Runs)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// helps says what the payload is refused, and what would let it behave.
func (r *report) helps(say func(string, ...any)) {
	if len(r.Refused) > 0 {
		say("what it is refused:")
	}
	for _, n := range r.Refused {
		line := fmt.Sprintf("  %s: %s: %s", n.Class, n.Call, n.What)
		if n.Flags != "" && r.Allow == nil {
			line += ": " + n.Flags + " would allow it"
		}
		say("%s", line)
	}
	if len(r.Allow) > 0 {
		say("in the whole chain it behaves with:")
	}
	for _, line := range r.Allow {
		say("  %s", line)
	}
}
