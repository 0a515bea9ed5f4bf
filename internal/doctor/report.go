package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"hk/internal/vis"
	"hk/pkg/cause"
)

// Verdicts about a trial.
const (
	yes = "yes"
	no  = "no"
	// root is what only root can do.
	root = "root"
)

// A result is what has come of a trial.
type result struct {
	Name    string `json:"name"`
	Stage   string `json:"stage"`
	What    string `json:"what"`
	Verdict string `json:"verdict"`
	// Error is the message of the stage, Cause the name of the cause, Why the cause in a
	// sentence, and Remedy what to do about it; they are for no alone.
	Error  string     `json:"error,omitempty"`
	Cause  cause.Name `json:"cause,omitempty"`
	Why    string     `json:"why,omitempty"`
	Remedy string     `json:"remedy,omitempty"`
}

// A report is all that hk-doctor has found out.
type report struct {
	// Works is set if everything that was asked works.
	Works  bool     `json:"works"`
	Facts  []fact   `json:"facts,omitempty"`
	Trials []result `json:"trials"`
	// Notes are about the chain.
	Notes []string `json:"notes,omitempty"`
	// Profile is a profile of AppArmor that permits what it denies, or "".
	Profile string `json:"apparmorProfile,omitempty"`
}

func (r *report) json(w io.Writer) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(vis.JSON(b), '\n'))
	return err
}

// text writes the report for people: what works under each stage, and what does not with the
// cause and the remedy.
func (r *report) text(w io.Writer) error {
	var b strings.Builder
	wide := 0
	for _, f := range r.Facts {
		wide = max(wide, len(f.Name))
	}
	for _, f := range r.Facts {
		fmt.Fprintf(&b, "%-*s  %s\n", wide, f.Name, vis.Text(f.Value))
	}
	stage := ""
	first := map[string]string{} // what has failed with a sentence for the first time
	for _, t := range r.Trials {
		if t.Stage != stage {
			if b.Len() > 0 {
				b.WriteString("\n")
			}
			stage = t.Stage
			fmt.Fprintf(&b, "%s\n", stage)
		}
		t.text(&b, first)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "\nnote: %s", vis.Text(n))
	}
	if r.Notes != nil {
		b.WriteString("\n")
	}
	if r.Profile != "" {
		fmt.Fprintf(&b, "\nA profile of AppArmor that permits it, for %s:\n\n%s", profileFile, r.Profile)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// text writes a result. A sentence that was written before, as first says, is not repeated.
func (t *result) text(b *strings.Builder, first map[string]string) {
	fmt.Fprintf(b, "  %-4s  %s\n", t.Verdict, t.What)
	if t.Verdict != no {
		return
	}
	name := ""
	if t.Cause != "" {
		name = fmt.Sprintf(" [%s]", t.Cause)
	}
	if earlier, ok := first[t.Why]; ok {
		fmt.Fprintf(b, "        cause:  the same as of: %s%s\n", earlier, name)
		return
	}
	first[t.Why] = t.What
	fmt.Fprintf(b, "        cause:  %s%s\n        remedy: %s\n", vis.Text(t.Why), name, vis.Text(t.Remedy))
}
