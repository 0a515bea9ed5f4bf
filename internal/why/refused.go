package why

import (
	"os"
	"slices"

	"hk/internal/cli"
	"hk/pkg/chain"
	"hk/pkg/filter"
	"hk/pkg/host"
)

// Refused is what the payload of a chain was refused.
type Refused struct {
	// Class is one of those of hk-why(1), Call the call with its arguments and its result,
	// and What says what has refused it.
	Class string `json:"class"`
	Call  string `json:"call"`
	What  string `json:"what"`
	// Flags of Stage would allow it, or are empty.
	Stage string   `json:"stage,omitempty"`
	Flags []string `json:"flags,omitempty"`
}

func refused(call string, r reason) Refused {
	f := Refused{Class: string(r.class), Call: call, What: r.what}
	if len(r.flags) > 0 {
		f.Stage, f.Flags = r.stage, r.flags
	}
	return f
}

// Follow performs a chain, calls each for what its payload is refused, and otherwise does
// what hk-why does, without writing lines. os.Args are what the program is given again if it
// has to execute itself. Preconditions: those of [cli.Front.Run].
func Follow(f *cli.Front, c *chain.Chain, each func(Refused)) int {
	return followWith(f, c, &follower{each: each, say: func(string) {}, own: -1}, os.Args)
}

// Denied are the system calls of this architecture that the filters of a chain deny, for all
// or some arguments, from its plan alone.
func Denied(c *chain.Chain, h *host.Host) (list []Refused, err error) {
	plain := *c
	plain.Links = slices.Clone(c.Links)
	plain.Links[len(plain.Links)-1].Common.Explain = "text" // it is not to be performed
	s, err := newSubject(&plain, h)
	arch := native()
	if err != nil || arch == nil {
		return nil, err
	}
	const most = 1024 // above the numbers of all calls
	for nr := range uint32(most) {
		name, ok := arch.CallName(nr)
		if !ok {
			continue
		}
		if reasons := s.call(name, filter.Call{Nr: nr}); len(reasons) > 0 {
			list = append(list, refused(name, reasons[0]))
		}
	}
	return list, nil
}
