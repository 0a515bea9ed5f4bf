package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"hk/internal/vis"
	"hk/pkg/plan"

	"github.com/rogpeppe/go-internal/diff"
)

// maxPlan is the size of a file with a plan that is compared.
const maxPlan = 64 << 20

// difference writes how a plan differs from an earlier one, as diff -u does. Results have no
// numbers, which depend on those before.
func difference(w io.Writer, file string, before []plan.Explained, now *plan.Plan) error {
	_, err := w.Write(diff.Diff(vis.Text(file), planLines(before), "plan", planLines(now.Explain())))
	return err
}

// readPlan reads a plan that --explain=json has printed, from a file or, for -, from standard
// input.
func readPlan(file string) ([]plan.Explained, error) {
	f := os.Stdin
	if file != "-" {
		var err error
		if f, err = os.Open(file); err != nil {
			return nil, err
		}
		defer f.Close()
	}
	b, err := io.ReadAll(io.LimitReader(f, maxPlan+1))
	switch {
	case err != nil:
		return nil, err
	case len(b) > maxPlan:
		return nil, fmt.Errorf("more than %d bytes", maxPlan)
	}
	return parsePlan(b)
}

// parsePlan parses what [plan.Plan.JSON] has written.
func parsePlan(b []byte) (list []plan.Explained, err error) {
	in := json.NewDecoder(bytes.NewReader(b))
	in.DisallowUnknownFields()
	if err := in.Decode(&list); err != nil {
		return nil, fmt.Errorf("not what --explain=json prints: %w", err)
	}
	if _, err := in.Token(); err != io.EOF || list == nil {
		return nil, errors.New("not what --explain=json prints")
	}
	return list, nil
}

// planLines is a plan with one op a line, after its stage and its process.
func planLines(list []plan.Explained) []byte {
	var b bytes.Buffer
	for _, e := range list {
		line := fmt.Sprintf("%-11s %-10s %s", e.Stage, e.Process, e.Op)
		if len(e.Gives) > 0 {
			line += " = " + strings.Join(e.Gives, ", ")
		}
		if len(e.Tolerated) > 0 {
			line += " or " + strings.Join(e.Tolerated, ", ")
		}
		b.WriteString(vis.Text(unnumbered(line)) + "\n")
	}
	return b.Bytes()
}

// unnumbered removes the numbers of results: $fs12 is $fs.
func unnumbered(text string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, "$")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		end := len(after) - len(strings.TrimLeft(after, "abcdefghijklmnopqrstuvwxyz_"))
		b.WriteString("$" + after[:end])
		if text = after[end:]; end > 0 {
			text = strings.TrimLeft(text, "0123456789")
		}
	}
}
