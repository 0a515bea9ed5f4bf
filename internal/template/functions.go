package template

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"hk/internal/profile"
	"hk/internal/vis"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/parser"
)

// environment is what a template can use: Jinja's own, minijinja's filters and tests that
// the engine lacks, and hakoniwa's functions.
func (r *renderer) environment(path string) (*exec.Environment, error) {
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	here, err := r.value(dir)
	if err != nil {
		return nil, fmt.Errorf("the name of the directory %q cannot be in a configuration", vis.Text(dir))
	}
	context := exec.NewContext(map[string]any{"__dir__": here, "range": listOf, "none": nil, "fs_find": r.find})
	for name, f := range map[string]func(string) (any, error){
		"os_env":          r.osEnv,
		"path_exists":     r.pathExists,
		"path_is_dir":     r.pathIsDir,
		"path_is_symlink": r.pathIsSymlink,
		"fs_read_link":    r.readLink,
		"fs_glob":         r.glob,
		"fs_findup":       r.findUp,
		"fs_xdg_user_dir": r.xdgUserDir,
		"fs_mkdir":        func(p string) (any, error) { return r.act("fs_mkdir", p) },
		"fs_touch":        func(p string) (any, error) { return r.act("fs_touch", p) },
	} {
		context.Set(name, r.function(name, f))
	}
	tags := exec.NewControlStructureSet(map[string]parser.ControlStructureParser{}).Update(builtins.ControlStructures)
	if err := tags.Replace("include", r.parseInclude); err != nil {
		return nil, err
	}
	if err := tags.Register(printTag, r.parsePrint); err != nil {
		return nil, err
	}
	filters := exec.NewFilterSet(map[string]exec.FilterFunction{}).Update(builtins.Filters).Update(exec.NewFilterSet(r.filters()))
	tests := exec.NewTestSet(map[string]exec.TestFunction{}).Update(builtins.Tests)
	for name, f := range moreTests {
		if tests.Exists(name) {
			continue
		}
		if err := tests.Register(name, f); err != nil {
			return nil, err
		}
	}
	return &exec.Environment{
		Context:           exec.EmptyContext().Update(builtins.GlobalFunctions).Update(builtins.GlobalVariables).Update(context),
		Filters:           filters,
		Tests:             tests,
		ControlStructures: tags,
		Methods:           builtins.Methods,
	}, nil
}

// function is a function with one argument, a string or undefined, which is "". The first
// error is kept: the engine's words around it do not help.
func (r *renderer) function(name string, f func(string) (any, error)) func(*exec.VarArgs) (any, error) {
	return func(args *exec.VarArgs) (any, error) {
		if len(args.Args) != 1 || len(args.KwArgs) > 0 {
			return nil, r.fail(fmt.Errorf("%s takes one argument", name))
		}
		arg := ""
		if a := args.Args[0]; a.IsString() {
			arg = plain(a.String())
		} else if !a.IsNil() {
			return nil, r.fail(fmt.Errorf("%s takes a string", name))
		}
		v, err := f(arg)
		if err != nil {
			return nil, r.fail(fmt.Errorf("%s(%q): %w", name, vis.Text(arg), err))
		}
		return v, nil
	}
}

func (r *renderer) fail(err error) error {
	if r.failed == nil {
		r.failed = err
	}
	return err
}

func (r *renderer) osEnv(name string) (any, error) { return r.value(os.Getenv(name)) }

func (r *renderer) pathExists(p string) (any, error) {
	if r.made[filepath.Clean(p)] {
		return true, nil
	}
	_, err := os.Stat(p)
	return err == nil, nil
}

func (r *renderer) pathIsDir(p string) (any, error) {
	if st, err := os.Stat(p); err == nil {
		return st.IsDir(), nil
	}
	for _, a := range r.actions {
		if a.Func == "fs_mkdir" && within(filepath.Clean(p), a.Path) {
			return true, nil
		}
	}
	return false, nil
}

// within reports whether a path is one of a path's parents or itself.
func within(parent, p string) bool {
	return p == parent || strings.HasPrefix(p, strings.TrimSuffix(parent, "/")+"/")
}

func (r *renderer) pathIsSymlink(p string) (any, error) {
	st, err := os.Lstat(p)
	return err == nil && st.Mode()&os.ModeSymlink != 0, nil
}

func (r *renderer) readLink(p string) (any, error) {
	text, err := os.Readlink(p)
	if err != nil {
		return nil, callError(err)
	}
	return r.value(text)
}

// findUp returns the path of a name in the working directory or in the nearest directory
// above that has it.
func (r *renderer) findUp(name string) (any, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	for {
		p := filepath.Join(dir, name)
		if _, err := os.Stat(p); err == nil {
			return r.value(p)
		}
		above := filepath.Dir(dir)
		if above == dir {
			return "", nil
		}
		dir = above
	}
}

// act remembers what is to be done on the host.
func (r *renderer) act(name, p string) (any, error) {
	if !filepath.IsAbs(p) {
		return nil, errors.New("not an absolute path")
	}
	p = filepath.Clean(p)
	for _, a := range r.actions {
		if a.Func == name && a.Path == p {
			return "", nil
		}
	}
	r.actions = append(r.actions, profile.Action{Func: name, Path: p, At: r.loader.current(r.loader.topPath)})
	if r.made[p] = true; name == "fs_mkdir" {
		for d := filepath.Dir(p); d != "/"; d = filepath.Dir(d) {
			r.made[d] = true
		}
	}
	return "", nil
}

// callError is the error of a call without its path.
func callError(err error) error {
	if why := (*os.PathError)(nil); errors.As(err, &why) {
		return why.Err
	}
	return err
}
