package template

import (
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/nodes"
	"github.com/nikolalohinski/gonja/v2/parser"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

// A printed is {{ value if condition else other }}.
type printed struct {
	*renderer
	at                      *tokens.Token
	value, condition, other nodes.Expression
}

func (p *printed) Position() *tokens.Token { return p.at }
func (p *printed) String() string          { return printTag }

func (r *renderer) parsePrint(p, args *parser.Parser) (nodes.ControlStructure, error) {
	n := &printed{renderer: r, at: p.Current()}
	if at := args.Current(); at != nil && at.Line > 0 {
		n.at = at
	}
	var err error
	if n.value, err = args.ParseExpression(); err != nil {
		return nil, err
	}
	if n.condition, n.other, err = args.ParseCondition(); err != nil {
		return nil, err
	}
	if n.value == nil || !args.End() {
		return nil, args.Error("an expression is expected", args.Current())
	}
	n.value, n.other = joining(n.value), joining(n.other)
	return n, nil
}

// concatFilter is a name that no template can write.
const concatFilter = "~"

// joining replaces the operator ~ of the engine, which joins values as Python prints them.
func joining(e nodes.Expression) nodes.Expression {
	b, ok := e.(*nodes.BinaryExpression)
	if !ok || b.Operator.Token.Type != tokens.Tilde {
		return e
	}
	return &nodes.FilteredExpression{Expression: joining(b.Left), Filters: []*nodes.FilterCall{{Token: b.Operator.Token, Name: concatFilter,
		Args: []nodes.Expression{joining(b.Right)}}}}
}

func (p *printed) Execute(out *exec.Renderer, _ *nodes.ControlStructureBlock) error {
	expression := p.value
	if p.condition != nil {
		condition := out.Eval(p.condition)
		if condition.IsError() {
			return condition
		}
		if !condition.IsTrue() {
			if expression = p.other; expression == nil {
				return nil
			}
		}
	}
	value := out.Eval(expression)
	if value.IsError() {
		return value
	}
	// Whether the engine takes it for safe does not matter: a template can say so of anything.
	text, err := p.show(value)
	if err != nil {
		return p.fail(err)
	}
	if value.IsNil() && isNone(out, expression) {
		text = "none"
	}
	_, err = io.WriteString(out.Output, text)
	return err
}

// isNone distinguishes none, which is printed, from what is undefined, which is not.
func isNone(out *exec.Renderer, e nodes.Expression) bool {
	switch e := e.(type) {
	case *nodes.None:
		return true
	case *nodes.Name:
		return out.Environment.Context.Has(e.Name.Val)
	}
	return false
}

// A shower writes values as minijinja prints them: words in small letters, as TOML has them,
// and strings in lists in double quotes. With an origin, what it writes is marked.
type shower struct {
	*origin
	strings.Builder
	err error
}

// show returns a value as it is printed, without marks.
func show(v *exec.Value) string {
	var s shower
	s.value(v)
	return s.String()
}

// show returns a value as it is printed.
func (o *origin) show(v *exec.Value) (string, error) {
	s := shower{origin: o}
	s.value(v)
	return s.String(), s.err
}

func (s *shower) value(v *exec.Value) {
	switch {
	case v.IsNil():
	case v.IsBool():
		s.WriteString(strconv.FormatBool(v.Bool()))
	case v.IsFloat():
		s.WriteString(float(v.Float()))
	case v.IsList():
		s.structure("[")
		for i := range v.Len() {
			s.separate(i)
			s.part(item(v.Index(i)))
		}
		s.structure("]")
	case v.IsDict():
		s.structure("{")
		for i, p := range sorted(v) {
			s.separate(i)
			s.part(p.Key)
			s.WriteString(": ")
			s.part(p.Value)
		}
		s.structure("}")
	default:
		s.text(v.String())
	}
}

// sorted are the pairs of a table in the order of their keys.
func sorted(v *exec.Value) (pairs []exec.Pair) {
	v.Iterate(func(_, _ int, key, value *exec.Value) bool {
		pairs = append(pairs, exec.Pair{Key: key, Value: value})
		return true
	}, func() {})
	sort.SliceStable(pairs, func(i, j int) bool { return pairs[i].Key.String() < pairs[j].Key.String() })
	return pairs
}

func (s *shower) separate(i int) {
	if i > 0 {
		s.WriteString(", ")
	}
}

// item is what a value stands for that the engine has wrapped in another one.
func item(v *exec.Value) *exec.Value {
	if inner, ok := v.Interface().(*exec.Value); ok {
		return inner
	}
	return exec.ToValue(v.Val)
}

// structure writes what no value has a part in.
func (s *shower) structure(text string) {
	if s.origin != nil {
		text = trusted(text)
	}
	s.WriteString(text)
}

func (s *shower) text(text string) {
	if s.origin != nil {
		var err error
		if text, err = s.mark(text); err != nil {
			s.err = err
		}
	}
	s.WriteString(text)
}

// part writes a part of another value.
func (s *shower) part(v *exec.Value) {
	switch {
	case v.IsNil():
		s.WriteString("none")
	case v.IsString():
		s.quoted(v.String())
	default:
		s.value(v)
	}
}

// quoted writes a string as both TOML and a template read it.
func (s *shower) quoted(text string) {
	if s.origin != nil && !utf8.ValidString(text) {
		s.err = errNotText
	}
	s.structure(`"`)
	for _, r := range text {
		if r >= trustedPlane && r < unclearPlane { // of a macro, or a text that was set
			r -= trustedPlane
			switch r {
			case '"', '\\':
				s.structure(`\` + string(r))
			default:
				s.structure(string(r))
			}
			continue
		}
		switch {
		case s.origin != nil && r < utf8.RuneSelf && s.foreign[r]:
			s.WriteRune(foreignPlane + r)
		case r == '"' || r == '\\':
			s.structure(`\` + string(r))
		case r == '\n':
			s.structure(`\n`)
		case r < ' ' || r == 0x7F:
			s.structure(fmt.Sprintf(`\u%04X`, r))
		default:
			s.structure(string(r))
		}
	}
	s.structure(`"`)
}

// float writes a number with a point and without an exponent.
func float(f float64) string {
	text := strconv.FormatFloat(f, 'f', -1, 64)
	if strings.Trim(text, "-0123456789") == "" {
		text += ".0"
	}
	return text
}
