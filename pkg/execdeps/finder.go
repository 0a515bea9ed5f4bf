package execdeps

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// A Finder finds the files that are needed to execute programs. It reads files, and
// executes none.
type Finder struct {
	Root *Root
	// Env is the environment in which the programs are executed.
	Env Environment

	// files are the files found, in order.
	files []File
	at    map[string]int // by path
	cache map[string][]cached
	// variants are the directories that contain libraries for certain processors.
	variants map[string]bool
	size     int // bytes of strings of the objects that were read
	envs     int // nested calls of env(1)
}

// An Environment is the part of an environment that says where programs and libraries
// are.
type Environment struct {
	// Path and LibraryPath are PATH and LD_LIBRARY_PATH.
	Path, LibraryPath string
	// Dir is the directory that relative names start from. If it is "", a relative name
	// of a program is an error, and one of a library is skipped.
	Dir string
}

// EnvironmentOf parses variables as they are passed to execve(2). If a name occurs
// twice, the first one applies.
func EnvironmentOf(vars []string) (e Environment) {
	e.Path, e.LibraryPath = variable(vars, "PATH"), variable(vars, "LD_LIBRARY_PATH")
	return e
}

// variable is the value of a variable of an environment, or "".
func variable(vars []string, name string) string {
	for _, v := range vars {
		if text, ok := strings.CutPrefix(v, name+"="); ok {
			return text
		}
	}
	return ""
}

// A File is a file that was found, with a name without symbolic links. It is read and,
// if Execute is set, also executed: a program, an interpreter or a loader.
type File struct {
	Path    string
	Execute bool
}

// Optional reports whether the loader looks for libraries elsewhere without the file.
func (f File) Optional() bool {
	return f.Path == cacheFile || strings.Contains(f.Path, "/etc/ld-musl-") || strings.Contains(f.Path, "/glibc-hwcaps/")
}

// ErrNotFound is the error for a program that does not exist.
var ErrNotFound = errors.New("no such program")

// ErrRelative is the error for a relative name of a program if [Environment] has no
// directory.
var ErrRelative = errors.New("a relative path, and no directory to start from")

// maxScripts is how many scripts the kernel follows to an interpreter. The same number
// of calls of env(1) is followed.
const maxScripts = 5

// Files are the files needed by all programs that were looked up, in the order in which
// they were found, each file once.
func (f *Finder) Files() []File { return f.files }

// add adds a file that resolve has found.
func (f *Finder) add(path string, execute bool) {
	if i, ok := f.at[path]; ok {
		f.files[i].Execute = f.files[i].Execute || execute
		return
	}
	if f.at == nil {
		f.at = map[string]int{}
	}
	f.at[path] = len(f.files)
	f.files = append(f.files, File{path, execute})
}

// Program adds the files needed to execute a program, which is searched for in PATH if
// its name has no slash. The error is [ErrNotFound] if there is none.
func (f *Finder) Program(word string) error {
	name, err := f.lookup(word)
	if err != nil {
		return err
	}
	return f.execute(name, 0)
}

// lookup searches as execvp(3) does: it returns the first file that can be executed.
func (f *Finder) lookup(word string) (string, error) {
	if word == "" {
		return "", ErrNotFound
	}
	names := Candidates(word, f.Env.Path)
	found := error(ErrNotFound)
	for _, name := range names {
		name, ok := f.absolute(name)
		if !ok {
			if len(names) == 1 {
				return "", ErrRelative
			}
			continue
		}
		switch err := f.Root.executable(name); {
		case err == unix.ENOENT || err == unix.ENOTDIR:
		case err != nil:
			found = fmt.Errorf("%s: %w", name, err)
		default:
			return name, nil
		}
	}
	return "", found
}

// absolute makes a name absolute with the working directory, if that is known.
func (f *Finder) absolute(name string) (string, bool) {
	if path.IsAbs(name) {
		return name, true
	}
	return f.Env.Dir + "/" + name, f.Env.Dir != ""
}

// execute adds the files needed to execute a file that the kernel has reached through
// that many scripts.
func (f *Finder) execute(name string, scripts int) error {
	real, o, head, err := f.object(name)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if o != nil {
		f.add(real, true)
		return f.load(real, o)
	}
	interp, arg, ok, err := parseShebang(head)
	if !ok && err == nil {
		err = errors.New("neither a program in ELF nor a script that starts with #!")
	}
	if err == nil && (scripts == maxScripts || f.envs > maxScripts) {
		err = fmt.Errorf("interpreters of interpreters, more than %d", maxScripts)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	f.add(real, true)
	if err := f.execute(interp, scripts+1); err != nil {
		return err
	}
	if path.Base(interp) != "env" {
		return nil
	}
	call, err := parseEnv(arg)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	f.envs++
	defer func() { f.envs-- }()
	return call.within(f, func() error {
		name, err := f.lookup(call.program)
		if err != nil {
			return fmt.Errorf("%s: %s of env: %w", real, call.program, err)
		}
		return f.execute(name, 0)
	})
}
