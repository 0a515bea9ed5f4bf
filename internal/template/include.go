package template

import (
	"errors"
	"io/fs"

	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/nodes"
	"github.com/nikolalohinski/gonja/v2/parser"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

// An include is the include tag. The engine's own ignores any error where only a missing
// file is to be ignored: rules would be silently left out.
type include struct {
	*renderer
	at            *tokens.Token
	name          nodes.Expression
	ignoreMissing bool
}

func (i *include) Position() *tokens.Token { return i.at }
func (i *include) String() string          { return "include" }

// parseInclude parses EXPRESSION [ignore missing] [with|without context]. The context is
// always there.
func (r *renderer) parseInclude(p, args *parser.Parser) (nodes.ControlStructure, error) {
	i := &include{renderer: r, at: p.Current()}
	var err error
	if i.name, err = args.ParseExpression(); err != nil {
		return nil, err
	}
	if args.MatchName("ignore") != nil {
		if args.MatchName("missing") == nil {
			return nil, args.Error("ignore what? the words are ignore missing", args.Current())
		}
		i.ignoreMissing = true
	}
	if args.MatchName("with") != nil && args.MatchName("context") == nil || !args.End() {
		return nil, args.Error("include takes a name, ignore missing, and with context", args.Current())
	}
	return i, nil
}

func (i *include) Execute(out *exec.Renderer, _ *nodes.ControlStructureBlock) error {
	value := out.Eval(i.name)
	if value.IsError() {
		return value
	}
	names := texts(value)
	if names == nil {
		names = []string{plain(value.String())}
	}
	l := i.loader
	name, err := i.first(names)
	if err != nil || name == "" {
		return err
	}
	l.inside = append(l.inside, name)
	// What the template sets remains set, as in minijinja.
	env := *out.Environment
	if self, ok := env.Context.Get("self"); ok {
		defer env.Context.Set("self", self)
	}
	t, err := exec.NewTemplate(name, out.Config, l, &env)
	if err != nil {
		if i.failed == nil {
			i.failed = i.explain(name, err)
		}
		return err
	}
	if err := render(exec.NewRenderer(&env, out.Output, out.Config, l, t)); err != nil {
		return err
	}
	l.inside = l.inside[:len(l.inside)-1]
	return nil
}

// first returns the first of several templates that exists, or "" if none has to.
func (i *include) first(names []string) (string, error) {
	why := errors.New("include: an empty list")
	for _, name := range names {
		_, err := i.loader.read(name)
		if err == nil {
			return name, nil
		}
		why = templateError(name, err)
		if !errors.Is(err, fs.ErrNotExist) {
			return "", i.fail(why)
		}
	}
	if i.ignoreMissing {
		return "", nil
	}
	return "", i.fail(why)
}
