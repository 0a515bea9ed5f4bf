package template

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"hk/internal/profile"
	"hk/internal/vis"

	"github.com/nikolalohinski/gonja/v2/loaders"
	"golang.org/x/sys/unix"
)

// topName is the name of the file that is rendered: no template can have it.
const topName = "\x00"

// A loader loads templates from the directory of the main file and from no other place: a
// name or a symbolic link that leads out of it is an error, whoever owns the directory.
type loader struct {
	dir    *os.Root
	name   string
	lines  *[]line
	origin *origin
	// top is the text of the file that is rendered.
	topPath, top string
	// inside are the templates that are loaded, the innermost last.
	inside []string
	loads  int
}

func openRoot(dir string, lines *[]line, origin *origin) (*loader, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", vis.Text(dir), errors.Unwrap(err))
	}
	return &loader{dir: root, name: dir, lines: lines, origin: origin}, nil
}

// begin makes a file the one that is rendered.
func (l *loader) begin(path, text string) {
	l.topPath, l.top, l.inside = path, text, nil
}

// current is the path of the innermost template.
func (l *loader) current(path string) string {
	if n := len(l.inside); n > 0 {
		return filepath.Join(l.name, l.inside[n-1])
	}
	return path
}

var _ loaders.Loader = (*loader)(nil)

// Resolve returns the name itself: all names are relative to the directory.
func (l *loader) Resolve(name string) (string, error) { return name, nil }

// Inherit returns the loader itself.
func (l *loader) Inherit(string) (loaders.Loader, error) { return l, nil }

// Read returns a template with its lines marked.
func (l *loader) Read(name string) (io.Reader, error) {
	if l.loads++; l.loads > maxLoads {
		return nil, fmt.Errorf("more than %d templates are loaded: some load each other", maxLoads)
	}
	at, text := l.topPath, l.top
	if name != topName {
		at = filepath.Join(l.name, name)
		b, err := l.read(name)
		if err != nil {
			return nil, templateError(name, err)
		}
		text = string(b)
	}
	if i := strings.IndexFunc(text, isMark); i >= 0 {
		return nil, fmt.Errorf("line %d of %s has a character of a private use plane", 1+strings.Count(text[:i], "\n"), vis.Text(at))
	}
	marked, ok := l.origin.scan(at, text, l.lines)
	if !ok {
		return nil, errors.New("the templates have too many lines")
	}
	return strings.NewReader(marked), nil
}

func templateError(name string, err error) error {
	return fmt.Errorf("template %q: %w", vis.Text(name), err)
}

func (l *loader) read(name string) ([]byte, error) {
	if path.IsAbs(name) {
		return nil, errors.New("the name must be relative to the directory of the configuration")
	}
	f, err := l.dir.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		var why *fs.PathError
		if errors.As(err, &why) {
			err = why.Err
		}
		return nil, err
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && !st.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	return profile.ReadFD(int(f.Fd()))
}
