package inspect

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"hk/pkg/host"
	"hk/pkg/stage"
)

// fronts are the programs of hk that compile a command line of their own to a chain.
var fronts = []string{"hk-run", "hk-bwrap"}

// compile has the front door of this installation compile the command line again, and keeps the
// words of the chain. Preconditions: the supervisor is one of a front door.
func (s *Supervisor) compile(state *stage.State, own, above *Report) ([]string, error) {
	if s.chain != nil || state.Recompile == nil {
		return s.chain, nil
	}
	h, err := s.as(state.Host, own, above)
	if err != nil {
		return nil, err
	}
	if s.Dir == "" {
		return nil, errors.New("the directory of the programs of hk is not known here")
	}
	f := stage.Front{Program: filepath.Join(s.Dir, s.program()), Words: s.Words, Env: h.Env, NoDir: h.Dir == "",
		UID: h.UID, GID: h.GID, Groups: above.IDs.Groups, Permitted: h.Permitted, Effective: h.Effective}
	var list []string
	err = s.Within(h, func() (err error) {
		list, err = state.Recompile(f, state.Host)
		return err
	})
	if err == nil {
		err = s.still(state.Host)
	}
	if err != nil {
		return nil, err
	}
	s.chain = list
	return list, nil
}

// still returns an error if the supervisor has ended, and its number may be that of another
// process, whose working directory it was.
func (s *Supervisor) still(h *host.Host) error {
	p, err := openProcess(h, s.PID)
	if err == nil {
		defer p.close()
		var stat processStat
		if stat, err = p.stat(); err == nil && stat.start == s.starts[s.PID] {
			return nil
		}
	}
	return fmt.Errorf("process %d has ended meanwhile", s.PID)
}

// isFront reports whether the supervisor is one of a front door.
func (s *Supervisor) isFront() bool { return slices.Contains(fronts, s.program()) }

// shown are the words of the chain, or of the command line if that is a chain.
func (s *Supervisor) shown() []string {
	if s.chain != nil {
		return s.chain
	}
	return s.Words
}
