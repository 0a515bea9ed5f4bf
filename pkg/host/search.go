package host

import "strings"

// A Search is how the stages of a chain are found: in the directories of Path, and fused
// or not.
type Search struct {
	Path string
	Fuse bool
}

// Search is how this process finds the stages after its own. A stage that has changed the
// environment for the payload passes on the caller's.
func (h *Host) Search() Search {
	if h.Handover.Search != nil {
		return *h.Handover.Search
	}
	return SearchOf(h.Env)
}

// SearchOf is how an environment says that stages are found. If a variable occurs twice,
// the first one applies.
func SearchOf(env []string) Search {
	return Search{Path: lookup(env, "PATH"), Fuse: lookup(env, "HK_FUSE") != "0"}
}

func lookup(env []string, name string) string {
	for _, v := range env {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}
