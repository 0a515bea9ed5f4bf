package cli

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"hk/pkg/chain"
	"hk/pkg/host"
)

// Again is set by --print=again of a front door: its command line is one with which another
// process was started. The chain is printed as words, each with a null byte after it, and
// nothing is read from a descriptor, which would be that process's.
type Again struct {
	// caps are the permitted capabilities of that process.
	caps uint64
	// noDir is set if its working directory is not known.
	noDir bool
}

// ParsePrint parses the value of --print: nil is for a command of sh(1).
func ParsePrint(v string) (*Again, error) {
	words := strings.Split(v, ":")
	switch {
	case v == "sh":
		return nil, nil
	case words[0] != "again":
		return nil, errors.New("not sh or again[:caps=HEX][:nodir]")
	}
	a := &Again{}
	for _, w := range words[1:] {
		caps, ok := strings.CutPrefix(w, "caps=")
		var err error
		switch {
		case ok:
			a.caps, err = strconv.ParseUint(caps, 16, 64)
		case w == "nodir":
			a.noDir = true
		default:
			err = fmt.Errorf("%q is not caps=HEX or nodir", w)
		}
		if err != nil {
			return nil, err
		}
	}
	return a, nil
}

// As describes the machine for that process, which has the IDs and the environment of this one.
func (a *Again) As(h *host.Host) (*host.Host, error) {
	c := host.Caller{UID: h.UID, GID: h.GID, Env: h.Env, Dir: h.Dir, Rlimit: h.Rlimit, NoNewPrivs: h.NoNewPrivs,
		Permitted: a.caps, Effective: a.caps, Inheritable: h.Inheritable, Bounding: h.Bounding, Ambient: h.Ambient}
	if a.noDir {
		c.Dir = ""
	}
	return h.As(c)
}

// File returns an error for a file that is not to be read.
func (a *Again) File(path string) error {
	if !filepath.IsAbs(path) && a.noDir {
		return errors.New("it is relative to a working directory that cannot be looked at")
	}
	// The program opens it again, and is ended if that takes too long.
	f, err := host.OpenRegular(path)
	if err == nil {
		err = f.Close()
	}
	return err
}

// NoDir reports whether the working directory of that process is not known.
func (a *Again) NoDir() bool { return a != nil && a.noDir }

// What cannot be looked at again: what was read from a descriptor, and a command line that only
// prints something.
var (
	ErrReadOnce = errors.New("it was read from a descriptor, and cannot be read again")
	ErrPrints   = errors.New("it only prints something")
)

// Again prints the words of the chain.
func (f *Front) Again(c *chain.Chain) int {
	return f.Print(func(w io.Writer) error {
		_, err := io.WriteString(w, strings.Join(append(c.Args(), ""), "\x00"))
		return err
	})
}
