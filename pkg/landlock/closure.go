package landlock

import (
	"fmt"
	"strings"
	"unsafe"

	"hk/pkg/execdeps"
	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// allowClosures adds the rules for programs and everything they need. For the caller's
// root, these are ops. A root that the plan creates does not exist yet: in it, a
// supervisor step finds the files and adds the rules.
func (r *Ruleset) allowClosures(s *stage.State, set *plan.Result, handled Access) error {
	if len(r.Closures) == 0 {
		return nil
	}
	env := execdeps.EnvironmentOf(s.Env.List())
	if s.Root.New || s.Root.Mounts {
		r.allowLater(s, set, handled, env)
		return nil
	}
	fd, err := s.Host.Root()
	if err != nil {
		return fmt.Errorf("--exec-closure: the root directory: %w", err)
	}
	defer unix.Close(fd)
	env.Dir = s.Host.Dir
	needs, err := r.find(execdeps.NewRoot(fd), env, s.Skip)
	if err != nil {
		return err
	}
	for _, g := range needs {
		if g.access &= handled; g.access != 0 {
			allowFile(s, set, g)
		}
	}
	return nil
}

// allowFile grants rights on a file that was found. A file in a directory of another
// user may have been replaced by then: a symbolic link could lead to a whole hierarchy.
func allowFile(s *stage.State, set *plan.Result, g grant) {
	s.For("--exec-closure: " + g.path)
	defer s.For("")
	at := s.Open("file", plan.Openat2(plan.AtCwd(), g.path, unix.O_PATH|unix.O_CLOEXEC, 0, unix.RESOLVE_NO_SYMLINKS).
		Hint(unix.ELOOP, "it, or a directory in its path, has become a symbolic link since it was checked").
		Hint(unix.ENOENT, "it has been removed since it was checked").
		Hint(unix.EACCES, "the payload's user may not search a directory in the path"))
	s.Add(rights.AllowPath(set, at, uint64(g.access)), plan.Close(at))
}

// find finds the files that all programs need, and the rights to grant on them.
func (r *Ruleset) find(root *execdeps.Root, env execdeps.Environment, leaveOut func(string)) (needs []grant, err error) {
	f := execdeps.Finder{Root: root, Env: env}
	for _, p := range r.Closures {
		err := f.Program(p)
		switch {
		case err == execdeps.ErrNotFound && r.IgnoreMissing:
			leaveOut("--exec-closure " + p + ": " + err.Error())
		case err == execdeps.ErrRelative:
			return nil, fmt.Errorf("--exec-closure %s: a path must be absolute after hk-mount, or if the working directory has no name", p)
		case err != nil:
			return nil, fmt.Errorf("--exec-closure %s: %w", p, err)
		}
	}
	for _, file := range f.Files() {
		g := grant{path: file.Path, access: readFile}
		if file.Execute {
			g.access |= execute
		}
		needs = append(needs, g)
	}
	return needs, nil
}

// allowLater adds the supervisor step. It gets the root and the ruleset from the
// process that performs the plan, whose user may have changed by then.
func (r *Ruleset) allowLater(s *stage.State, set *plan.Result, handled Access, env execdeps.Environment) {
	dir := s.Open("root", plan.Openat(plan.AtCwd(), "/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0))
	s.Plan.AddStep(plan.Step{
		Stage: s.Name,
		Text: fmt.Sprintf("find in %v what executing %s takes, and allow in %v to execute programs, interpreters and loaders, and to read these and libraries",
			dir, strings.Join(r.Closures, ", "), set),
		Takes: []*plan.Result{dir, set},
		Do: func(at plan.Context) error {
			root := execdeps.NewRoot(at.FD(dir))
			needs, err := r.find(root, env, at.Skip)
			if err != nil {
				return err
			}
			for _, g := range needs {
				if g.access &= handled; g.access == 0 {
					continue
				}
				if err := addRule(at.FD(set), root, g); err != nil {
					return fmt.Errorf("--exec-closure: %s: %w", g.path, err)
				}
			}
			return nil
		},
	})
	s.Add(plan.Close(dir))
}

// addRule calls landlock_add_rule(2) for a file that resolve has found.
func addRule(ruleset int, r *execdeps.Root, g grant) error {
	fd, err := r.OpenPath(g.path)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	attr := unix.LandlockPathBeneathAttr{Allowed_access: uint64(g.access), Parent_fd: int32(fd)}
	_, _, e := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), unix.LANDLOCK_RULE_PATH_BENEATH,
		uintptr(unsafe.Pointer(&attr)), 0, 0, 0)
	if e != 0 {
		return e
	}
	return nil
}
