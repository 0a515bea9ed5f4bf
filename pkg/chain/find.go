package chain

import (
	"io"
	"os"
	"path/filepath"

	"hk/pkg/execdeps"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// A Finder distinguishes stages from other programs. A word is a stage if execvp(3)
// would find it to be a file with the name of a stage in the directory of this program.
type Finder struct {
	// Dir is this program's directory.
	Dir string
	// dirInfo is the identity of Dir, once it was looked up.
	dirInfo os.FileInfo
	// Path is the caller's PATH.
	Path string
	// Fuse says whether stages become part of one plan; otherwise each is executed.
	Fuse bool
	// ByFD is set if this program was executed by descriptor because its file cannot be
	// reached in the current root. Then the plain name of a stage is that stage, and
	// its program is this one.
	ByFD bool
	// Payload is the program of a chain that names none, where none is to be executed; ""
	// refuses such a chain.
	Payload string
	// Links finds stages through symbolic links in other directories too. They are executed as
	// separate programs, so this is for a chain that is only looked at.
	Links bool
	// ReadArgs reads the words in a descriptor, for --args; nil refuses the flag.
	ReadArgs func(fd int) ([]string, error)
}

// Find returns the stage that a word names, or nil, and the path of its program.
func (f *Finder) Find(word string) (*stage.Kind, string) {
	kind := ByName(filepath.Base(word))
	if kind == nil && !f.Links {
		return nil, ""
	}
	if f.ByFD {
		if kind != nil && word == kind.Name {
			return kind, ""
		}
		return nil, ""
	}
	if f.Dir == "" {
		return nil, ""
	}
	for _, path := range execdeps.Candidates(word, f.Path) {
		if unix.Access(path, unix.X_OK) != nil {
			continue
		}
		switch {
		case kind != nil && f.isOurs(filepath.Dir(path)):
			return kind, path
		case f.Links:
			return f.through(kind, path)
		}
		return nil, "" // another program of that name comes first
	}
	return nil, ""
}

// through is Find for a symbolic link; kind is the stage of its name, or nil. A program under
// several names is, by any other name, the first stage.
func (f *Finder) through(kind *stage.Kind, link string) (*stage.Kind, string) {
	path, err := filepath.EvalSymlinks(link)
	if err != nil || !f.isOurs(filepath.Dir(path)) {
		return nil, ""
	}
	other := ByName(filepath.Base(path))
	switch {
	case other == nil:
		return nil, ""
	case kind != nil:
		return kind, path
	}
	at, err := os.Stat(path)
	first, err2 := os.Stat(filepath.Join(f.Dir, Kinds[0].Name))
	if err == nil && err2 == nil && os.SameFile(at, first) {
		return Kinds[0], path
	}
	return other, path
}

// Word is how a stage is called so that Find, and execvp(3), find it: by its name, or by its
// path in the directory of this program.
func (f *Finder) Word(name string) string {
	if f.ByFD || f.Dir == "" {
		return name
	}
	return execdeps.Word(name, f.Dir, f.Path)
}

func (f *Finder) isOurs(dir string) bool {
	if dir == f.Dir {
		return true
	}
	if f.dirInfo == nil {
		f.dirInfo, _ = os.Stat(f.Dir)
	}
	fi, err := os.Stat(dir)
	return err == nil && f.dirInfo != nil && os.SameFile(fi, f.dirInfo)
}

// Beside reports whether a word that was not found in PATH is a stage in the directory
// of this program: a hint for a user who has forgotten to set PATH.
func (f *Finder) Beside(word string) bool {
	if ByName(word) == nil || f.ByFD || f.Dir == "" || unix.Access(filepath.Join(f.Dir, word), unix.X_OK) != nil {
		return false
	}
	for _, path := range execdeps.Candidates(word, f.Path) {
		if unix.Access(path, unix.X_OK) == nil {
			return false
		}
	}
	return true
}

// Elsewhere is the program that is executed for a word with the name of a stage, if that is
// another installation's, so that the stage does not become part of the plan; or "". A
// script, which may be meant to change what the stage does, is none.
func (f *Finder) Elsewhere(word string) string {
	if ByName(filepath.Base(word)) == nil || f.ByFD || f.Dir == "" {
		return ""
	}
	for _, path := range execdeps.Candidates(word, f.Path) {
		if unix.Access(path, unix.X_OK) != nil {
			continue
		}
		if f.isOurs(filepath.Dir(path)) || !isELF(path) {
			return ""
		}
		return path
	}
	return ""
}

func isELF(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var magic [4]byte
	_, err = io.ReadFull(f, magic[:])
	return err == nil && string(magic[:]) == "\x7fELF"
}
