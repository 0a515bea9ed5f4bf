package chain

import (
	"hk/pkg/idmap"
	"hk/pkg/inspect"
	"hk/pkg/landlock"
	"hk/pkg/limit"
	"hk/pkg/mount"
	"hk/pkg/netns"
	"hk/pkg/seccomp"
	"hk/pkg/setuser"
	"hk/pkg/stage"
	"hk/pkg/unshare"
)

// Kinds are all stages, in the usual order.
var Kinds = []*stage.Kind{
	&unshare.Kind,
	&idmap.Kind,
	&mount.Kind,
	&netns.Kind,
	&setuser.Kind,
	&limit.Kind,
	&landlock.Kind,
	&seccomp.Kind,
	&inspect.Kind,
}

// ByName returns the stage of that name, or nil.
func ByName(name string) *stage.Kind {
	for _, k := range Kinds {
		if k.Name == name {
			return k
		}
	}
	return nil
}
