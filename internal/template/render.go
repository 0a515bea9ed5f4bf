// Package template renders the templates of a configuration file, which are Jinja's with
// the functions of hakoniwa 1.6.0: see hk-run.toml(5). It reads files, the environment
// and names on the host, and changes nothing: what fs_mkdir and fs_touch ask for is
// returned.
//
// It is for a program of its own, hk-run-template(8): the engine takes 1 ms to start.
package template

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"hk/internal/profile"
	"hk/internal/vis"

	"github.com/nikolalohinski/gonja/v2/config"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/nodes"
)

// maxLoads is how many templates a configuration may load, which ends those that load
// each other.
const maxLoads = 1000

// Render renders a file and what it includes. The first source is the file.
func Render(path string) ([]*profile.Source, []profile.Action, error) {
	r := &renderer{made: map[string]bool{}}
	root, err := openRoot(filepath.Dir(path), &r.lines, &r.origin)
	if err != nil {
		return nil, nil, err
	}
	defer root.dir.Close()
	r.loader = root
	main, err := r.file(path)
	if err != nil {
		return nil, nil, err
	}
	sources := []*profile.Source{main}
	p, err := profile.Includes(main)
	if err != nil {
		return nil, nil, err
	}
	for i := range p.Include {
		name, err := p.IncludePath(path, i)
		if err != nil {
			return nil, nil, err
		}
		s, err := r.file(name)
		if err != nil {
			return nil, nil, err
		}
		sources = append(sources, s)
	}
	return sources, r.actions, nil
}

// A renderer is the state of rendering a file and what it includes.
type renderer struct {
	origin
	loader *loader
	// lines are the lines of all that was loaded.
	lines   []line
	actions []profile.Action
	// made are the paths that exist once the actions have been performed.
	made map[string]bool
	// failed is the first error of a function or of an included template.
	failed error
}

// file renders one file.
func (r *renderer) file(path string) (*profile.Source, error) {
	text, err := profile.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if !profile.HasTemplates(text) {
		return &profile.Source{Name: path, Text: text}, nil
	}
	r.loader.begin(path, string(text))
	var out output
	if err := r.execute(path, &out); err != nil {
		return nil, r.explain(path, err)
	}
	return finish(path, out.String(), r.lines)
}

// execute renders what the loader has begun.
func (r *renderer) execute(path string, out *output) (err error) {
	// The engine is not expected to panic, but what it runs is anybody's.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the template engine fails: %v", p)
		}
	}()
	env, err := r.environment(path)
	if err != nil {
		return err
	}
	t, err := exec.NewTemplate(topName, settings(), r.loader, env)
	if err != nil {
		return err
	}
	return render(exec.NewRenderer(env, out, settings(), r.loader, t))
}

func settings() *config.Config {
	c := config.New()
	c.KeepTrailingNewline = true
	// There is no {{ in what the scanner makes, and if there is one, it is text.
	c.VariableStartString, c.VariableEndString = "", "\U0010FFFF"
	return c
}

// render executes a template. Of one that extends another, the engine executes only the
// other; in Jinja the rest of it is executed too, and what is after the extends tag prints
// nothing.
func render(r *exec.Renderer) error {
	for t := r.RootNode; t.Parent != nil; t = t.Parent {
		if err := statements(r, t); err != nil {
			return err
		}
	}
	return r.Execute()
}

// statements executes what a template has besides its blocks.
func statements(r *exec.Renderer, t *nodes.Template) error {
	out := r.Output
	defer func() { r.Output = out }()
	for _, n := range t.Nodes {
		if b, ok := n.(*nodes.ControlStructureBlock); ok {
			switch b.Name {
			case "block":
				continue
			case "extends":
				r.Output = &output{}
				continue
			}
		}
		if _, err := r.Visit(n); err != nil {
			return err
		}
	}
	return nil
}

// output is what is rendered, up to what a configuration may have.
type output struct{ strings.Builder }

var errTooLarge = fmt.Errorf("rendered, it is larger than %d KiB", profile.MaxSize>>10)

func (o *output) WriteString(s string) (int, error) { return o.Write([]byte(s)) }

func (o *output) Write(b []byte) (int, error) {
	if o.Len()+len(b) > profile.MaxSize {
		return 0, errTooLarge
	}
	return o.Builder.Write(b)
}

// lineOf finds the line in a message of the engine; of several the last is the innermost.
// Only an error compiles it.
const lineOf = (`\bat line ([0-9]+)|\(Line: ([0-9]+) Col|\bLine=([0-9]+)`)

// noise is what the engine's messages have around what is wrong.
const noise = (`(?s)^(unable to execute template: |print: |failed to (parse|reader) template '.*': |unable to load template '.*': |Unable to parse controlStructure "[a-z]+": |Unable to (render|execute|evaluate)[^:]*(: |$)|(Set|For|If|Include|Extends|Block|With|Macro|Call|Filter)ControlStructure\([^)]*\): |unable to evaluate (parameters|filter [^>]*>): |invalid call to function '[a-z_]*': )`)

// explain makes an error of the engine one line that begins with the file.
func (r *renderer) explain(path string, err error) error {
	text := err.Error()
	at := r.loader.current(path)
	if all := regexp.MustCompile(lineOf).FindAllStringSubmatch(text, -1); all != nil {
		last := all[len(all)-1]
		at += ":" + last[1] + last[2] + last[3]
	}
	if r.failed != nil {
		var placed *profile.Error
		if errors.As(r.failed, &placed) {
			return placed
		}
		text = r.failed.Error()
	}
	around := regexp.MustCompile(noise)
	for {
		short := around.ReplaceAllString(text, "")
		if short == text || short == "" {
			break
		}
		text = short
	}
	text, _, _ = strings.Cut(plain(text), "\n")
	return fmt.Errorf("%s: %s", vis.Text(at), vis.Text(text))
}
