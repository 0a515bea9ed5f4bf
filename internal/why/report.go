package why

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"

	"hk/internal/cli"
	"hk/internal/vis"
)

// status is the exit status for the answers.
func status(answers []answer) int {
	worst := allowed
	for _, a := range answers {
		worst = max(worst, a.verdict)
	}
	return map[verdict]int{allowed: 0, unknown: exitUnknown, denied: exitDenied}[worst]
}

// flag is what would allow it, as it is typed.
func (r reason) flag() string {
	if len(r.flags) == 0 {
		return ""
	}
	words := []string{r.stage}
	for _, w := range r.flags {
		words = append(words, cli.Quote(w))
	}
	return strings.Join(words, " ")
}

// text says what refuses it, and what would allow it.
func (r reason) text() string {
	text := r.what
	if r.also != "" {
		text += "; " + r.also
	}
	if f := r.flag(); f != "" {
		text += ": " + f + " would allow it"
	}
	return text
}

// print writes the answers: a line for each, or for each of its reasons.
func print(w io.Writer, answers []answer, asJSON bool) error {
	if asJSON {
		return printJSON(w, answers)
	}
	var b strings.Builder
	for _, a := range answers {
		if len(a.reasons) == 0 {
			b.WriteString(vis.Text(a.question.text+": allowed") + "\n")
		}
		for _, r := range a.reasons {
			line := a.question.text + ": " + r.verdict.String() + ": " + string(r.class) + ": " + r.text()
			b.WriteString(vis.Text(line) + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// The form of --json.
type (
	answerJSON struct {
		Ask     string       `json:"ask"`
		Answer  string       `json:"answer"`
		Reasons []reasonJSON `json:"reasons,omitempty"`
	}
	reasonJSON struct {
		Answer string   `json:"answer"`
		Class  class    `json:"class"`
		What   string   `json:"what"`
		Stage  string   `json:"stage,omitempty"`
		Flags  []string `json:"flags,omitempty"`
	}
)

func printJSON(w io.Writer, answers []answer) error {
	list := make([]answerJSON, len(answers))
	for i, a := range answers {
		list[i] = answerJSON{Ask: a.question.text, Answer: a.verdict.String()}
		for _, r := range a.reasons {
			j := reasonJSON{Answer: r.verdict.String(), Class: r.class, What: r.what}
			if r.flags != nil {
				j.Stage, j.Flags = r.stage, r.flags
			}
			list[i].Reasons = append(list[i].Reasons, j)
		}
	}
	var b bytes.Buffer
	to := json.NewEncoder(&b)
	to.SetEscapeHTML(false)
	to.SetIndent("", "  ")
	if err := to.Encode(list); err != nil {
		return err
	}
	_, err := w.Write(vis.JSON(b.Bytes()))
	return err
}
