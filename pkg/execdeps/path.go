package execdeps

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Candidates are the files that execvp(3) tries for a word with a given value of PATH,
// in order.
func Candidates(word, path string) []string {
	if strings.ContainsRune(word, '/') {
		return []string{word}
	}
	if path == "" {
		path = "/bin:/usr/bin"
	}
	var list []string
	for _, dir := range strings.Split(path, ":") {
		if dir == "" {
			dir = "."
		}
		list = append(list, strings.TrimSuffix(dir, "/")+"/"+word)
	}
	return list
}

// Word is how the program of a name in dir, an absolute path, is called so that execvp(3)
// finds it with a given value of PATH: by its name, or by its path if there is another one
// before it, or a directory that depends on the working directory.
func Word(name, dir, path string) string {
	for _, file := range Candidates(name, path) {
		switch {
		case !filepath.IsAbs(file):
		case unix.Access(file, unix.X_OK) != nil:
			continue
		case same(filepath.Dir(file), dir):
			return name
		}
		break
	}
	return filepath.Join(dir, name)
}

func same(a, b string) bool {
	if a == b {
		return true
	}
	x, err := os.Stat(a)
	y, err2 := os.Stat(b)
	return err == nil && err2 == nil && os.SameFile(x, y)
}
