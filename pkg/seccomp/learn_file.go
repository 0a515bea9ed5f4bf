package seccomp

import (
	"errors"
	"fmt"
	"runtime"

	"hk/internal/learned"
	"hk/pkg/filter"
	"hk/pkg/ptrace"
)

// A learner is a recording that will be written to a file.
type learner struct {
	learned.File
	recording *filter.Recording
	tracer    ptrace.Tracer
	also      []string
	// joiner is set if the plan attaches to the joiner.
	joiner bool
}

func newLearner(path string) *learner {
	return &learner{File: learned.File{Flag: "--learn", Path: path, Mode: 0o644, Max: maxProfile, TooLarge: errNotLearned}, recording: &filter.Recording{}}
}

// existing reads the file, and merges it into a recording.
func (l *learner) existing(into *filter.Recording) error {
	data, err := l.Start()
	if err != nil || data == nil {
		return err
	}
	return mergeError(into.Merge(data))
}

var errNotLearned = errors.New("it exists and is not a profile written by --learn: remove it, or give another file")

// mergeError adds to an error of [filter.Recording.Merge] what to do about it.
func mergeError(err error) error {
	var unknown filter.UnknownCallError
	switch {
	case errors.As(err, &unknown):
		return fmt.Errorf("it exists, and %w: fix it, or remove it", err)
	case err != nil:
		return errNotLearned
	}
	return nil
}

// maxProfile is more than the size of a profile that allows everything that can be
// distinguished.
const maxProfile = 1 << 20

// write writes the file atomically.
func (l *learner) write() (notes []string, err error) {
	for _, n := range l.recording.Notes() {
		notes = append(notes, "--learn: "+n)
	}
	native := filter.Native(runtime.GOARCH)
	for _, name := range l.also {
		l.recording.Add(native, name, 0)
	}
	more, err := l.Update(func(data []byte) ([]byte, error) {
		if data != nil {
			if err := mergeError(l.recording.Merge(data)); err != nil {
				return nil, err
			}
		}
		return l.recording.Profile(native)
	})
	return append(notes, more...), err
}
