package plan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"golang.org/x/sys/unix"
)

// String is the op in strace's notation, with results of earlier ops by name.
func (o *Op) String() string {
	args := make([]string, len(o.Args))
	for i, a := range o.Args {
		args[i] = a.String()
	}
	return o.Name + "(" + strings.Join(args, ", ") + ")"
}

// outcome is what stands after the op in a listing: its result's name, or what
// may be returned without stopping the plan.
func (o *Op) outcome() string {
	switch {
	case o.gives != nil && len(o.except) > 0:
		return " = " + o.gives.String() + " or " + strings.Join(errnoNames(o.except), ", ")
	case o.gives != nil:
		return " = " + o.gives.String()
	case len(o.except) > 0 && o.exec:
		return " or, if it is not there, the next"
	case len(o.except) > 0:
		return " = 0 or " + strings.Join(errnoNames(o.except), ", ")
	case o.exact:
		return fmt.Sprintf(" = %d", o.want)
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

// Text writes the plan, an op a line, under the name of the stage that asked
// for it. The first word of a line says which process performs the op.
func (p *Plan) Text(w io.Writer) error {
	var b strings.Builder
	stage := ""
	for i, it := range p.items {
		if s := it.stage(); s != stage {
			stage = s
			fmt.Fprintf(&b, "%s\n", stage)
		}
		fmt.Fprintf(&b, "  %-8s %s\n", it.who, Visible(it.text()))
		if i+1 < len(p.items) && (it.who == Init || it.who == Joiner) && p.items[i+1].who == Child {
			fmt.Fprintf(&b, "  %-8s %s\n", it.who, "(reap with wait4(-1, ...) until the payload has ended)")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (it item) stage() string {
	if it.step != nil {
		return it.step.Stage
	}
	return it.op.Stage
}

func (it item) text() string {
	if it.step == nil {
		return it.op.String() + it.op.outcome()
	}
	text := it.step.Text
	for i, r := range it.step.Gives {
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
	Stage   string   `json:"stage"`
	Process string   `json:"process"`
	Op      string   `json:"op"`
	Syscall string   `json:"syscall,omitempty"`
	Gives   []string `json:"gives,omitempty"`
	Except  []string `json:"except,omitempty"`
}

// Explain lists the items of the plan.
func (p *Plan) Explain() []Explained {
	list := make([]Explained, 0, len(p.items))
	for _, it := range p.items {
		e := Explained{Stage: it.stage(), Process: it.who.String()}
		if it.step != nil {
			e.Op = it.step.Text
			for _, r := range it.step.Gives {
				e.Gives = append(e.Gives, r.String())
			}
		} else {
			e.Op, e.Syscall = it.op.String(), it.op.Name
			e.Except = errnoNames(it.op.except)
			if it.op.gives != nil {
				e.Gives = []string{it.op.gives.String()}
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
	_, err := w.Write(VisibleJSON(b.Bytes()))
	return err
}

// writeOp writes an op with its result, as strace does. r is nil if there is no
// result to be had.
func writeOp(w io.Writer, it item, r *record) {
	result := ""
	if r != nil {
		result = r.text(it.op)
	}
	io.WriteString(w, Visible(fmt.Sprintf("%s: %s: %s%s", it.op.Stage, it.who, it.op, result))+"\n")
}

// writeResult writes the result of an op that was written before it was done.
func writeResult(w io.Writer, it item, r *record) {
	io.WriteString(w, Visible(fmt.Sprintf("%s: %s: %s(...)%s", it.op.Stage, it.who, it.op.Name, r.text(it.op)))+"\n")
}

// writeUnseen writes an op of which nothing can be told once it is done.
func writeUnseen(w io.Writer, it item) {
	io.WriteString(w, Visible(fmt.Sprintf("%s: %s: not seen: %s", it.op.Stage, it.who, it.text()))+"\n")
}

// text is the result of an op.
func (r *record) text(o *Op) string {
	n := int64(r.result)
	text := fmt.Sprintf(" = %d", n)
	if n < 0 && n >= -4095 {
		e := unix.Errno(-n)
		text = fmt.Sprintf(" = -1 %s (%v)", unix.ErrnoName(e), e)
	}
	if o.gives != nil {
		text += " " + o.gives.String()
	}
	return text
}

func writeStep(w io.Writer, s *Outside) {
	io.WriteString(w, Visible(fmt.Sprintf("%s: %s: %s", s.Stage, Beyond, s.Text))+"\n")
}
