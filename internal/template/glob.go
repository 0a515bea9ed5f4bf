package template

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"hk/internal/vis"
)

// glob is fs_glob. Patterns are those of hakoniwa: *, ?, [a-z], [!a-z], and ** for any number
// of directories. A backslash is itself.
func (r *renderer) glob(pattern string) (any, error) {
	paths, err := expand(pattern)
	if err != nil {
		return nil, err
	}
	list := make([]any, len(paths))
	for i, p := range paths {
		if list[i], err = r.value(p); err != nil {
			return nil, fmt.Errorf("%q: %w", vis.Text(p), err)
		}
	}
	return list, nil
}

func expand(pattern string) ([]string, error) {
	parts := strings.Split(pattern, "/")
	i := slices.Index(parts, "**")
	if i < 0 {
		p, err := goPattern(pattern)
		if err != nil {
			return nil, err
		}
		return filepath.Glob(p)
	}
	tops := []string{"."}
	if before := strings.Join(parts[:i], "/"); i > 0 {
		var err error
		if tops, err = expand(before + "/."); err != nil {
			return nil, err
		}
	}
	looked := 0
	var found []string
	for _, top := range tops {
		dirs, err := below(filepath.Clean(top), &looked)
		if err != nil {
			return nil, err
		}
		for _, dir := range dirs {
			after := strings.Join(parts[i+1:], "/")
			if after == "" {
				if dir != filepath.Clean(top) {
					found = append(found, dir)
				}
				continue
			}
			more, err := expand(globEscaper.Replace(dir) + "/" + after)
			if err != nil {
				return nil, err
			}
			found = append(found, more...)
		}
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// below returns a directory and all directories below it. No symbolic link is followed, and
// what cannot be read is left out.
func below(dir string, looked *int) ([]string, error) {
	dirs := []string{dir}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if *looked++; *looked > maxFound {
			return nil, fmt.Errorf("there are more than %d names", maxFound)
		}
		if e.IsDir() {
			more, err := below(filepath.Join(dir, e.Name()), looked)
			if err != nil {
				return nil, err
			}
			dirs = append(dirs, more...)
		}
	}
	return dirs, nil
}

// goPattern is a pattern as [filepath.Match] has it.
func goPattern(pattern string) (string, error) {
	var b strings.Builder
	for pattern != "" {
		c := pattern[0]
		pattern = pattern[1:]
		switch c {
		case '\\':
			b.WriteString(`\\`)
		case '[':
			class, rest, err := goClass(pattern)
			if err != nil {
				return "", err
			}
			b.WriteString(class)
			pattern = rest
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), nil
}

// goClass is what begins a pattern after a bracket, up to the other one.
func goClass(pattern string) (class, rest string, err error) {
	body, not := strings.CutPrefix(pattern, "!")
	end := -1
	if len(body) > 1 {
		end = strings.IndexByte(body[1:], ']')
	}
	if end < 0 {
		return "", "", errors.New("a [ without its ] in the pattern")
	}
	body, rest = body[:end+1], body[end+2:]
	class = "["
	if not {
		class += "^"
	}
	for i, c := range body {
		if strings.ContainsRune(`\]^`, c) || c == '-' && (i == 0 || i == len(body)-1) {
			class += `\`
		}
		class += string(c)
	}
	return class + "]", rest, nil
}
