package mount

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// perStep is how many placeholders a step makes at most, and perCheck how many descriptors
// another takes: the supervisor, which has one for each placeholder, may open few files.
const perStep, perCheck = 32, 8

// holdAll adds the steps by which the supervisor creates and locks the placeholders of
// missing names in a directory, and opens them. It checks that what the child has opened
// is what is locked, so that nothing can be swapped in between.
func (b *builder) holdAll(dir *plan.Result, names []*spot) {
	for len(names) > perStep {
		b.holdAll(dir, names[:perStep])
		names = names[perStep:]
	}
	quoted := make([]string, len(names))
	numbers := make([]*plan.Result, len(names))
	for i, s := range names {
		quoted[i] = fmt.Sprintf("%q", s.name)
		numbers[i] = b.Plan.NewResult("inode")
	}
	pid1 := b.NS.New&unix.CLONE_NEWPID == 0
	stage := b.Name
	b.Plan.AddStep(plan.Step{Stage: stage, Takes: []*plan.Result{dir}, Gives: numbers,
		Text: fmt.Sprintf("in %s create empty directories %s, if there are none, and hold a shared flock(2) on each; remove each when the payload has ended, if nobody else holds one", dir, strings.Join(quoted, ", ")),
		Do: func(at plan.Context) error {
			h := &holder{stage: stage, context: at, dir: -1}
			if err := h.begin(pid1); err != nil {
				return err
			}
			if err := h.open(at.FD(dir)); err != nil {
				return err
			}
			for i, s := range names {
				p, err := hold(h.dir, s.name)
				if err != nil {
					return fmt.Errorf("/%s: %w", s.abs(), err)
				}
				h.list = append(h.list, p)
				at.Set(numbers[i], p.stat.Ino)
			}
			return nil
		}})
	opened := make([]*plan.Result, len(names))
	for i, s := range names {
		b.For(s.flag)
		opened[i] = b.openSpot(dir, s)
		s.dir = opened[i]
	}
	b.For("")
	for i := 0; i < len(names); i += perCheck {
		end := min(i+perCheck, len(names))
		b.checkHeld(names[i:end], opened[i:end], numbers[i:end], strings.Join(quoted[i:end], ", "))
	}
}

// checkHeld adds the step that compares what the child has opened with what is locked.
func (b *builder) checkHeld(names []*spot, opened, numbers []*plan.Result, quoted string) {
	b.Plan.AddStep(plan.Step{Stage: b.Name, Takes: opened,
		Text: "check that these are the directories that are locked: " + quoted,
		Do: func(at plan.Context) error {
			for i, s := range names {
				var st unix.Stat_t
				if err := unix.Fstat(at.FD(opened[i]), &st); err != nil {
					return fmt.Errorf("/%s: fstat: %w", s.abs(), err)
				}
				if uint64(at.Result(numbers[i])) != st.Ino || !isPlaceholder(st.Mode) {
					return fmt.Errorf("/%s: another process has replaced it", s.abs())
				}
			}
			return nil
		}})
}

// checkNever adds the step that makes sure that names do not exist in a directory, and
// cannot come into being there because it is read-only. The root may become that only at
// the end.
func (b *builder) checkNever(dir *plan.Result, never []*spot) {
	b.For(never[0].flag)
	text := fmt.Sprintf("check that %s is read-only, and has no", dir)
	if dir == b.root {
		text = fmt.Sprintf("check that %s has no", dir)
	}
	for i, s := range never {
		if i > 0 {
			text += ","
		}
		text += fmt.Sprintf(" %q", s.name)
	}
	b.Plan.AddStep(plan.Step{Stage: b.Name, Takes: []*plan.Result{dir}, Text: text,
		Do: func(at plan.Context) error {
			var file unix.Stat_t
			for _, s := range never {
				// Nobody may search a mask.
				if unix.Fstatat(at.FD(dir), s.name, &file, unix.AT_SYMLINK_NOFOLLOW) == nil {
					return fmt.Errorf("/%s: %w", s.abs(), errAppeared)
				}
			}
			var st unix.Statfs_t
			switch err := unix.Fstatfs(at.FD(dir), &st); {
			case err != nil:
				return fmt.Errorf("/%s: fstatfs: %w", never[0].parent.abs(), err)
			case st.Flags&unix.ST_RDONLY == 0 && dir != b.root:
				return fmt.Errorf("/%s is writable, against expectation", never[0].parent.abs())
			}
			return nil
		}})
}

// A holder is the supervisor of a run, as far as it holds placeholders.
type holder struct {
	stage   string
	context plan.Context
	list    []*placeholder
	dir     int // that of the directory of these, or -1
	child   int // pidfd of the process that becomes the payload
}

// begin has the placeholders released at the end of the payload. pid1 is set if this
// process is PID 1 of the PID namespace of the payload: what descends from the payload is
// not killed by its end, but by that of this process.
func (h *holder) begin(pid1 bool) (err error) {
	if h.child, err = unix.PidfdOpen(h.context.PID(), 0); err != nil {
		return fmt.Errorf("pidfd_open: %w", err)
	}
	if err := h.context.CheckAlive(); err != nil {
		unix.Close(h.child)
		return err
	}
	h.context.AtEnd(func() {
		h.release(hasEnded(h.child) && (!pid1 || killOthers()))
		unix.Close(h.child)
		unix.Close(h.dir)
	})
	return nil
}

// open keeps the directory of the placeholders open.
func (h *holder) open(dir int) (err error) {
	if h.dir, err = unix.FcntlInt(uintptr(dir), unix.F_DUPFD_CLOEXEC, 3); err != nil {
		return fmt.Errorf("fcntl: %w", err)
	}
	return nil
}

// release gives up the placeholders. If there may be processes left that are kept by them
// from creating what they stand for, they remain.
func (h *holder) release(all bool) {
	for _, p := range h.list {
		err := errors.New("processes of the payload are left")
		if all {
			err = p.release()
		} else {
			p.close()
		}
		if err != nil {
			h.context.Warn(h.stage, fmt.Sprintf("the empty directory %q is left: %v", p.name, err))
		}
	}
	h.list = nil
}

// killOthers kills all other processes of the PID namespace, and waits until none is
// left. Preconditions: this process is PID 1, and about to end.
func killOthers() bool {
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if unix.Kill(-1, unix.SIGKILL) == unix.ESRCH {
			return true
		}
		for pid := 1; pid > 0; {
			pid, _ = unix.Wait4(-1, nil, unix.WNOHANG|unix.WALL, nil)
		}
	}
	return false
}

func hasEnded(pidfd int) bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, 0)
	return n > 0 && err == nil
}

// checkLink adds the step that compares a symbolic link, which the child has opened, with
// the one by which the way was found. If the way ends at a missing name, for which the
// supervisor creates a directory, the link must not be another user's.
func (b *builder) checkLink(link *plan.Result, s *spot) {
	trusts := b.Host.Trusts
	b.compareLink(link, s.target, func(owner uint32, same bool) error {
		switch {
		case !same:
			return fmt.Errorf("/%s: %w", s.abs(), errChanged)
		case s.creates && !trusts(owner):
			return fmt.Errorf("/%s is a symbolic link of user %d, and nothing is created where it leads", s.abs(), owner)
		}
		return nil
	})
}

// compareLink adds the step that calls check with the owner of a symbolic link, and with
// whether it is one and has the target.
func (b *builder) compareLink(link *plan.Result, target string, check func(owner uint32, same bool) error) {
	b.Plan.AddStep(plan.Step{Stage: b.Name, Takes: []*plan.Result{link},
		Text: fmt.Sprintf("check that %s is a symbolic link to %q", link, target),
		Do: func(at plan.Context) error {
			text := make([]byte, unix.PathMax)
			n, err := unix.Readlinkat(at.FD(link), "", text)
			if err != nil {
				return check(0, false)
			}
			var st unix.Stat_t
			if err := unix.Fstat(at.FD(link), &st); err != nil {
				return fmt.Errorf("fstat: %w", err)
			}
			return check(st.Uid, string(text[:n]) == target)
		}})
}
