package hakoniwa

import (
	"errors"
	"fmt"
	"strings"

	"hk/pkg/getopt"
	"hk/pkg/host"
	"hk/pkg/idmap"
	"hk/pkg/ids"
	"hk/pkg/limit"
	"hk/pkg/mount"
	"hk/pkg/netns"
	"hk/pkg/stage"
)

// apart returns an error if the stages cannot be executed one by one, as HK_FUSE=0 asks for.
// Each of them would say it too, but in the words of its own flags, and after others have
// done their part.
func apart(stages []stage.Stage, h *host.Host) error {
	for i, s := range stages {
		var err error
		switch s := s.(type) {
		case *idmap.Maps:
			if s.Auto || !own(s.UID, h.UID) || !own(s.GID, h.GID) {
				err = errors.New("--userns, --uidmap, --gidmap: only a process outside the user namespace can map other IDs than the caller's")
			} else if s.Setgroups == "allow" {
				err = errors.New("--user: only a process outside the user namespace can allow that groups are set")
			}
		case *mount.Mounts:
			err = mountsApart(s)
		case *netns.Network:
			if s.Pasta {
				err = errors.New("--network pasta: only a process outside the network namespace can run it")
			}
		case *limit.Limits:
			err = limitsApart(s, i == len(stages)-1)
		}
		if err != nil {
			return fmt.Errorf("%w; with HK_FUSE=0 each stage is a program of its own: unset it", err)
		}
	}
	return nil
}

// own reports whether a map is that of the caller's own ID only.
func own(list []idmap.Range, self uint32) bool {
	if len(list) == 0 {
		return true
	}
	r := list[0]
	return len(list) == 1 && (!r.OutsideSet || r.Extent == ids.Extent{Inside: r.Inside, Outside: self, Count: 1}) && (!r.CountSet || r.Count == 1)
}

// mountsApart refuses what needs an init or the supervisor of the same plan.
func mountsApart(m *mount.Mounts) error {
	for _, e := range m.Entries {
		if e.Kind == mount.Protect {
			return fmt.Errorf("protect %s: only an init of the same plan holds it", e.Target)
		}
		for _, o := range getopt.List(e.Options) {
			if name, _, _ := strings.Cut(o, "="); name == "idmap" {
				return fmt.Errorf("%s: a mount can be ID-mapped only by a process outside the user namespace", e.Target)
			}
		}
	}
	return nil
}

// limitsApart refuses limits with which the stages after it could not start.
func limitsApart(l *limit.Limits, last bool) error {
	for _, r := range l.List {
		if floor := limit.Floor(r.Resource); !last && !r.KeepSoft && r.Soft < floor {
			return fmt.Errorf("--limit-%s: the programs of the stages after it do not start with less than %d", r.Resource, floor)
		}
	}
	return nil
}
