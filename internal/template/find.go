package template

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"hk/internal/vis"

	"github.com/nikolalohinski/gonja/v2/exec"
	"golang.org/x/sys/unix"
)

// maxFound is how many names fs_find looks at.
const maxFound = 1 << 20

// find is fs_find(directory, names[, without]): the paths below the directory that have one
// of the names, which are patterns. What is below such a path, or in a directory of which
// the name is in without, is not looked at, and no symbolic link is followed.
func (r *renderer) find(args *exec.VarArgs) (any, error) {
	if len(args.Args) != 2 && len(args.Args) != 3 || len(args.KwArgs) > 0 || !args.Args[0].IsString() {
		return nil, r.fail(errors.New("fs_find takes a directory and a list of names, and a list of directories to leave out"))
	}
	dir := plain(args.Args[0].String())
	f := finder{renderer: r}
	for i, list := range []*[]string{&f.names, &f.without} {
		if i+1 >= len(args.Args) {
			break
		}
		if *list = texts(args.Args[i+1]); *list == nil {
			return nil, r.fail(errors.New("fs_find takes lists of names"))
		}
	}
	for _, list := range [][]string{f.names, f.without} {
		for i, name := range list {
			p, err := goPattern(name)
			if err != nil {
				return nil, r.fail(fmt.Errorf("fs_find: %q: %w", vis.Text(name), err))
			}
			list[i] = p
		}
	}
	if err := f.walk(dir); err != nil {
		return nil, r.fail(fmt.Errorf("fs_find(%q): %w", vis.Text(dir), err))
	}
	return f.found, nil
}

// texts are the strings of a list, or nil if it is not one.
func texts(v *exec.Value) []string {
	if !v.IsList() {
		return nil
	}
	list := []string{}
	for i := range v.Len() {
		e := item(v.Index(i))
		if !e.IsString() {
			return nil
		}
		list = append(list, plain(e.String()))
	}
	return list
}

// A finder walks through directories.
type finder struct {
	*renderer
	names, without []string
	looked         int
	found          []any
}

func (f *finder) walk(dir string) error {
	entries, err := f.read(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if f.looked++; f.looked > maxFound {
			return fmt.Errorf("there are more than %d names", maxFound)
		}
		path := filepath.Join(dir, e.Name())
		switch {
		case matches(f.names, e.Name()):
			p, err := f.value(path)
			if err != nil {
				return fmt.Errorf("%q: %w", vis.Text(path), err)
			}
			f.found = append(f.found, p)
		case e.IsDir() && !matches(f.without, e.Name()):
			if err := f.walk(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// read reads a directory. One of another user that the caller may not read is empty, because
// a payload of the same user may not read it either; its own, the payload could make readable.
func (f *finder) read(dir string) ([]os.DirEntry, error) {
	entries, err := os.ReadDir(dir)
	if err == nil {
		return entries, nil
	}
	var st unix.Stat_t
	switch {
	case errors.Is(err, os.ErrNotExist) && f.looked > 0: // removed meanwhile
		return nil, nil
	case errors.Is(err, os.ErrPermission) && unix.Lstat(dir, &st) == nil && int(st.Uid) != os.Geteuid():
		return nil, nil
	}
	return nil, fmt.Errorf("%s: %w", vis.Text(dir), callError(err))
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, _ := filepath.Match(p, name)
		return ok
	})
}
