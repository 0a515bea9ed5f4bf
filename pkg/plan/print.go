package plan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"hk/internal/vis"

	"golang.org/x/sys/unix"
)

// String is the op in strace's notation, with the names of results of earlier ops.
func (o *Op) String() string {
	if o.text != nil {
		return *o.text
	}
	args := make([]string, len(o.Args))
	for i, a := range o.Args {
		args[i] = a.String()
	}
	return o.Name + "(" + strings.Join(args, ", ") + ")"
}

// outcome is the text after the op in a listing: its result's name, or what may be
// returned without stopping the plan.
func (o *Op) outcome() string {
	switch {
	case o.Result != nil && len(o.Tolerated) > 0:
		return " = " + o.Result.String() + " or " + strings.Join(errnoNames(o.Tolerated), ", ")
	case o.Result != nil:
		return " = " + o.Result.String()
	case len(o.Tolerated) > 0 && o.Is(Executes):
		return " or, if it is not there, the next"
	case len(o.Tolerated) > 0 && o.Exact:
		return " = -1 " + strings.Join(errnoNames(o.Tolerated), ", ")
	case len(o.Tolerated) > 0:
		return " = 0 or " + strings.Join(errnoNames(o.Tolerated), ", ")
	case o.Same != nil:
		return " = " + o.Same.String()
	case o.Exact:
		return fmt.Sprintf(" = %d", o.Want)
	}
	return ""
}

func errnoNames(es []unix.Errno) []string {
	var names []string
	for _, e := range es {
		names = append(names, unix.ErrnoName(e))
	}
	return names
}

// Text writes the plan, one op per line, under the name of the stage that asked for it.
// The first word of a line says which process performs the op.
func (p *Plan) Text(w io.Writer) error { return p.Annotated(w, func(Item) string { return "" }) }

// Annotated is Text with a line after each item for which note returns a text.
func (p *Plan) Annotated(w io.Writer, note func(Item) string) error {
	var b strings.Builder
	stage := ""
	for i, it := range p.items {
		if s := it.Stage(); s != stage {
			stage = s
			fmt.Fprintf(&b, "%s\n", stage)
		}
		fmt.Fprintf(&b, "  %-8s %s\n", it.Actor, vis.Text(it.Text()))
		if text := note(it); text != "" {
			fmt.Fprintf(&b, "  %-8s # %s\n", "", vis.Text(text))
		}
		if i+1 < len(p.items) && (it.Actor == Init || it.Actor == Joiner) && p.items[i+1].Actor == Child {
			fmt.Fprintf(&b, "  %-8s %s\n", it.Actor, "(reap with wait4(-1, ...) until "+p.untilEnd()+")")
		}
		if i >= Leaving && it.Actor == Joiner && p.items[i-Leaving].Actor == Joiner && p.items[i-Leaving].Op.Is(Clones) && p.items[i+1].Actor == Joiner {
			fmt.Fprintf(&b, "  %-8s %s\n", it.Actor, "(wait4 for the process that was forked, which continues)")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// untilEnd is what the process between waits for.
func (p *Plan) untilEnd() string {
	if p.Lingers {
		return "no process is left in the PID namespace"
	}
	return "the payload has ended"
}

// Text is the item without its stage, as printed by --explain.
func (it Item) Text() string {
	if it.Step == nil {
		return it.Op.String() + it.Op.outcome()
	}
	text := it.Step.Text
	for i, r := range it.Step.Gives {
		if i == 0 {
			text += " = " + r.String()
		} else {
			text += ", " + r.String()
		}
	}
	return text
}

// An Explained is an item of a plan as JSON.
type Explained struct {
	Stage     string   `json:"stage"`
	Process   string   `json:"process"`
	Op        string   `json:"op"`
	Syscall   string   `json:"syscall,omitempty"`
	Gives     []string `json:"gives,omitempty"`
	Tolerated []string `json:"tolerated,omitempty"`
}

// Explain lists the items of the plan.
func (p *Plan) Explain() []Explained {
	list := make([]Explained, 0, len(p.items))
	for _, it := range p.items {
		e := Explained{Stage: it.Stage(), Process: it.Actor.String()}
		if it.Step != nil {
			e.Op = it.Step.Text
			for _, r := range it.Step.Gives {
				e.Gives = append(e.Gives, r.String())
			}
		} else {
			e.Op, e.Syscall = it.Op.String(), it.Op.Name
			e.Tolerated = errnoNames(it.Op.Tolerated)
			if it.Op.Result != nil {
				e.Gives = []string{it.Op.Result.String()}
			}
		}
		list = append(list, e)
	}
	return list
}

// JSON writes the plan as a JSON array of [Explained].
func (p *Plan) JSON(w io.Writer) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(p.Explain()); err != nil {
		return err
	}
	_, err := w.Write(vis.JSON(b.Bytes()))
	return err
}
