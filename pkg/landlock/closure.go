package landlock

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"unsafe"

	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// A finder finds what it takes to execute programs: their files, interpreters,
// loaders and libraries. It reads files, and runs none.
type finder struct {
	root *root
	// path and libraries are PATH and LD_LIBRARY_PATH of the payload.
	path, libraries string
	// dir is what a relative name starts from; "" forbids it.
	dir string

	// needs are what was found, in order.
	needs []grant
	at    map[string]int // by path
	cache map[string][]cached
	// variants are the directories that have libraries for certain processors.
	variants map[string]bool
	size     int // bytes of strings of the objects that were read
	envs     int // calls of env(1) that are being followed
}

// maxScripts is how many scripts the kernel follows to an interpreter. As many
// calls of env(1) are followed.
const maxScripts = 5

// errMissing is a program that is not there.
var errMissing = errors.New("no such program")

// add notes that a file, which resolve has found, has to be allowed.
func (f *finder) add(path string, access Access) {
	if i, ok := f.at[path]; ok {
		f.needs[i].access |= access
		return
	}
	if f.at == nil {
		f.at = map[string]int{}
	}
	f.at[path] = len(f.needs)
	f.needs = append(f.needs, grant{path: path, access: access})
}

// program adds what it takes to execute a program, which is looked for in PATH
// if its name has no slash. It is errMissing if there is none.
func (f *finder) program(word string) error {
	name, err := f.lookup(word)
	if err != nil {
		return err
	}
	return f.execute(name, 0)
}

// lookup is as execvp(3): the first file that can be executed.
func (f *finder) lookup(word string) (string, error) {
	if word == "" {
		return "", errMissing
	}
	names := []string{word}
	if !strings.Contains(word, "/") {
		names = nil
		list := f.path
		if list == "" {
			list = "/bin:/usr/bin"
		}
		for _, dir := range strings.Split(list, ":") {
			if dir == "" {
				dir = "."
			}
			names = append(names, dir+"/"+word)
		}
	}
	found := error(errMissing)
	for _, name := range names {
		name, ok := f.absolute(name)
		if !ok {
			if len(names) == 1 {
				return "", errors.New("a path must be absolute behind hk-mount, and where the working directory has no name")
			}
			continue
		}
		real, st, err := f.root.resolve(name)
		switch {
		case err == nil && (st.Mode&unix.S_IFMT != unix.S_IFREG || st.Mode&0o111 == 0):
			err = errors.New("not an executable file")
		case err == nil:
			err = f.root.executable(real)
		}
		switch {
		case err == unix.ENOENT || err == unix.ENOTDIR:
		case err != nil:
			found = fmt.Errorf("%s: %w", name, err)
		default:
			return name, nil
		}
	}
	return "", found
}

// execute adds what it takes to execute a file, to which the kernel has come by
// so many scripts.
func (f *finder) execute(name string, scripts int) error {
	real, o, head, err := f.object(name)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if o != nil {
		f.add(real, execute|readFile)
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
	f.add(real, execute|readFile)
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

// object reads a file that may be an object; if it is none, o is nil and head
// is how it starts.
func (f *finder) object(name string) (real string, o *object, head []byte, err error) {
	real, st, err := f.root.resolve(name)
	if err != nil {
		return "", nil, nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return "", nil, nil, errors.New("not a regular file")
	}
	file, err := f.root.open(real)
	if err != nil {
		return "", nil, nil, err
	}
	defer file.close()
	o, err = parseELF(file)
	if err == nil {
		if f.size += o.size(); f.size > maxText {
			err = errEndless
		}
	}
	if err != errNotELF {
		return real, o, nil, err
	}
	head = make([]byte, headSize)
	n, err := file.ReadAt(head, 0)
	if err == io.EOF {
		err = nil
	}
	return real, nil, head[:n], err
}

// A library is an object that the loader has in the process, and the one that
// it was loaded for.
type library struct {
	*object
	// name is the one by which it was found, which $ORIGIN is about.
	name string
	by   *library
}

// load adds the loader of a program and all libraries that it loads, in the
// order in which it does.
func (f *finder) load(real string, o *object) error {
	if o.interp == "" {
		return nil
	}
	if !path.IsAbs(o.interp) {
		return fmt.Errorf("%s: the loader %q is no absolute path", real, o.interp)
	}
	at, loader, _, err := f.object(o.interp)
	if err == nil && loader == nil {
		err = errNotELF
	}
	if err != nil {
		return fmt.Errorf("%s: its loader %s: %w", real, o.interp, err)
	}
	f.add(at, execute|readFile)
	main := &library{object: o, name: real}
	m := machineOf(o.kind)
	l := loading{finder: f, machine: m, kind: o.kind, interp: o.interp, musl: isMusl(o.interp), main: main,
		have: map[string]bool{path.Base(o.interp): true, loader.soname: true}, last: f.lastDirs(m, o.interp)}
	for queue := []*library{main}; len(queue) > 0; queue = queue[1:] {
		by := queue[0]
		for _, n := range by.needed {
			if n.tag != dtNeeded && l.musl {
				continue
			}
			libs, err := l.find(n.name, by)
			if err == errNoLibrary && n.tag == dtAuxiliary {
				continue
			}
			if err != nil {
				return fmt.Errorf("%s needs %s: %w", by.name, n.name, err)
			}
			queue = append(queue, libs...)
		}
	}
	if len(o.needed) > 0 {
		f.configuration(o.interp)
	}
	return nil
}

// configuration adds the file that tells the loader where libraries are.
func (f *finder) configuration(interp string) {
	name := cacheFile
	if isMusl(interp) {
		name = muslPath(interp)
	}
	if real, st, err := f.root.resolve(name); err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG {
		f.add(real, readFile)
	}
}

// allowClosures adds the rules for programs with all that they take. What is
// found in the caller's root are ops. A root that the plan makes is not there
// yet: in that an outside step finds it, and adds the rules.
func (r *Ruleset) allowClosures(s *stage.State, set *plan.Result, handled Access) error {
	if len(r.Closures) == 0 {
		return nil
	}
	f := finder{path: variable(s.Host.Env, "PATH"), libraries: variable(s.Host.Env, "LD_LIBRARY_PATH")}
	if s.Root.New || s.Root.Mounts {
		r.allowLater(s, set, handled, f)
		return nil
	}
	fd, err := s.Host.Root()
	if err != nil {
		return fmt.Errorf("--exec-closure: the root directory: %w", err)
	}
	defer unix.Close(fd)
	f.root, f.dir = &root{fd: fd}, s.Host.Dir
	if err := r.find(&f, s.Skip); err != nil {
		return err
	}
	for _, g := range f.needs {
		if g.access &= handled; g.access != 0 {
			allowFile(s, set, g)
		}
	}
	return nil
}

// allowFile grants rights on a file that was found. What lies in a directory of
// somebody else's can be replaced by then: a link would be one to whole
// hierarchies.
func allowFile(s *stage.State, set *plan.Result, g grant) {
	s.For("--exec-closure: " + g.path)
	defer s.For("")
	at := s.Open("file", plan.Openat2(plan.AtCwd(), g.path, unix.O_PATH|unix.O_CLOEXEC, 0, unix.RESOLVE_NO_SYMLINKS).
		Hint(unix.ELOOP, "it has become a link, or a directory on the way has, since it was looked at").
		Hint(unix.ENOENT, "it has been removed since it was looked at").
		Hint(unix.EACCES, "a directory on the way cannot be searched by who the payload will be"))
	s.Add(rights.AllowPath(set, at, uint64(g.access)), plan.Close(at))
}

// find finds what all programs take.
func (r *Ruleset) find(f *finder, leaveOut func(string)) error {
	for _, p := range r.Closures {
		err := f.program(p)
		switch {
		case err == errMissing && r.IgnoreMissing:
			leaveOut("--exec-closure " + p + ": " + err.Error())
		case err != nil:
			return fmt.Errorf("--exec-closure %s: %w", p, err)
		}
	}
	return nil
}

// allowLater adds the outside step. It gets the root and the ruleset from the
// process that the plan goes on in, whose user may be another by then.
func (r *Ruleset) allowLater(s *stage.State, set *plan.Result, handled Access, f finder) {
	dir := s.Open("root", plan.Openat(plan.AtCwd(), "/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0))
	s.Plan.AddStep(plan.Step{
		Stage: s.Name,
		Text: fmt.Sprintf("find in %v what executing %s takes, and allow in %v to execute programs, interpreters and loaders, and to read these and libraries",
			dir, strings.Join(r.Closures, ", "), set),
		Takes: []*plan.Result{dir, set},
		Do: func(at plan.Context) error {
			f := f
			f.root = &root{fd: at.FD(dir)}
			if err := r.find(&f, at.LeftOut); err != nil {
				return err
			}
			for _, g := range f.needs {
				if g.access &= handled; g.access == 0 {
					continue
				}
				if err := addRule(at.FD(set), f.root, g); err != nil {
					return fmt.Errorf("--exec-closure: %s: %w", g.path, err)
				}
			}
			return nil
		},
	})
	s.Add(plan.Close(dir))
}

// addRule is landlock_add_rule(2) for a file that resolve has found.
func addRule(ruleset int, r *root, g grant) error {
	fd, st, err := r.openat(g.path, unix.O_PATH)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return errors.New("not a regular file any more")
	}
	attr := unix.LandlockPathBeneathAttr{Allowed_access: uint64(g.access), Parent_fd: int32(fd)}
	_, _, e := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), unix.LANDLOCK_RULE_PATH_BENEATH,
		uintptr(unsafe.Pointer(&attr)), 0, 0, 0)
	if e != 0 {
		return e
	}
	return nil
}

// variable is a variable of an environment, or "".
func variable(env []string, name string) string {
	for _, v := range env {
		if text, ok := strings.CutPrefix(v, name+"="); ok {
			return text
		}
	}
	return ""
}
