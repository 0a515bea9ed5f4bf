package template

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/exec"
)

// globEscaper makes a name a pattern that matches only the name.
var globEscaper = strings.NewReplacer("[", "[[]", "*", "[*]", "?", "[?]")

// filters are filters of minijinja that the engine lacks, or that print values as Python
// does, and glob_escape, which neither it nor Jinja has.
func (r *renderer) filters() map[string]exec.FilterFunction {
	return map[string]exec.FilterFunction{
		"split":  split,
		"lines":  lines,
		"bool":   func(_ *exec.Evaluator, in *exec.Value, _ *exec.VarArgs) *exec.Value { return exec.AsValue(in.IsTrue()) },
		"join":   join,
		"string": func(_ *exec.Evaluator, in *exec.Value, _ *exec.VarArgs) *exec.Value { return exec.AsValue(show(in)) },
		concatFilter: func(_ *exec.Evaluator, in *exec.Value, args *exec.VarArgs) *exec.Value {
			return exec.AsValue(word(in) + word(args.First()))
		},
		"items":       items,
		"dictsort":    items,
		"int":         integer,
		"reverse":     reverse,
		"tojson":      r.toJSON,
		"glob_escape": r.globEscape,
	}
}

// reverse is by characters in a text. The engine's is by bytes, of which parts could be put
// together as a mark.
func reverse(e *exec.Evaluator, in *exec.Value, args *exec.VarArgs) *exec.Value {
	if !in.IsString() {
		f, _ := builtins.Filters.Get("reverse")
		return f(e, in, args)
	}
	text := []rune(in.String())
	slices.Reverse(text)
	return exec.AsValue(string(text))
}

func split(_ *exec.Evaluator, in *exec.Value, args *exec.VarArgs) *exec.Value {
	text := in.String()
	if len(args.Args) == 0 || args.Args[0].IsNil() {
		return exec.AsValue(strings.Fields(text))
	}
	separator := args.Args[0].String()
	if separator == "" {
		return exec.AsValue(errors.New("split: the separator is empty"))
	}
	n := -1
	if len(args.Args) > 1 {
		n = args.Args[1].Integer() + 1
	}
	return exec.AsValue(strings.SplitN(text, separator, n))
}

func lines(_ *exec.Evaluator, in *exec.Value, _ *exec.VarArgs) *exec.Value {
	return exec.AsValue(strings.Split(strings.TrimSuffix(in.String(), "\n"), "\n"))
}

// word is a value as a part of a text.
func word(v *exec.Value) string {
	if v.IsNil() {
		return "none"
	}
	return show(v)
}

func join(e *exec.Evaluator, in *exec.Value, args *exec.VarArgs) *exec.Value {
	if !in.IsList() || len(args.Args) > 1 || len(args.KwArgs) > 0 {
		f, _ := builtins.Filters.Get("join")
		return f(e, in, args)
	}
	parts := make([]string, in.Len())
	for i := range parts {
		parts[i] = word(item(in.Index(i)))
	}
	return exec.AsValue(strings.Join(parts, args.First().String()))
}

// items returns the pairs of a table, sorted: the engine's loses those of a literal one.
func items(e *exec.Evaluator, in *exec.Value, args *exec.VarArgs) *exec.Value {
	if !in.IsDict() || len(args.Args) > 0 || len(args.KwArgs) > 0 {
		f, _ := builtins.Filters.Get("dictsort")
		return f(e, in, args)
	}
	list := exec.ValuesList{}
	for _, p := range sorted(in) {
		list = append(list, exec.AsValue(exec.ValuesList{p.Key, p.Value}))
	}
	return exec.AsValue(list)
}

func integer(e *exec.Evaluator, in *exec.Value, args *exec.VarArgs) *exec.Value {
	switch {
	case !in.IsBool():
		f, _ := builtins.Filters.Get("int")
		return f(e, in, args)
	case in.Bool():
		return exec.AsValue(1)
	}
	return exec.AsValue(0)
}

// toJSON returns a value as it is written in TOML, too.
func (r *renderer) toJSON(_ *exec.Evaluator, in *exec.Value, args *exec.VarArgs) *exec.Value {
	s := shower{origin: &r.origin}
	if s.part(in); s.err != nil {
		return exec.AsValue(s.err)
	}
	return exec.AsValue(s.String())
}

// globEscape returns a text of which each character may have come from outside.
func (r *renderer) globEscape(_ *exec.Evaluator, in *exec.Value, _ *exec.VarArgs) *exec.Value {
	text, err := r.value(globEscaper.Replace(plain(in.String())))
	if err != nil {
		return exec.AsValue(err)
	}
	return exec.AsValue(text)
}

// listOf is the function range with a list as its result, which can be printed.
func listOf(args *exec.VarArgs) (any, error) {
	f, _ := builtins.GlobalFunctions.Get("range")
	numbers, err := f.(func(*exec.Evaluator, *exec.VarArgs) (<-chan int, error))(nil, args)
	if err != nil {
		return nil, err
	}
	list := []int{}
	for n := range numbers {
		if list = append(list, n); len(list) > maxRange {
			return nil, fmt.Errorf("a range of more than %d numbers", maxRange)
		}
	}
	return list, nil
}

const maxRange = 100000

// moreTests are tests of minijinja.
var moreTests = map[string]exec.TestFunction{
	"startingwith": textTest(strings.HasPrefix),
	"endingwith":   textTest(strings.HasSuffix),
	"containing":   textTest(strings.Contains),
}

func textTest(is func(text, part string) bool) exec.TestFunction {
	return func(_ *exec.Evaluator, in *exec.Value, args *exec.VarArgs) (bool, error) {
		if len(args.Args) != 1 {
			return false, errors.New("the test takes one argument")
		}
		return is(in.String(), args.Args[0].String()), nil
	}
}
