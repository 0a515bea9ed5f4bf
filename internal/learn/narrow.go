package learn

import (
	"fmt"
	"slices"
	"strings"

	"hk/internal/cli"
	"hk/internal/vis"
	"hk/pkg/access"
	"hk/pkg/chain"
	"hk/pkg/getopt"
	"hk/pkg/mount"
	"hk/pkg/netns"
	"hk/pkg/plan"
	"hk/pkg/setuser"
	"hk/pkg/stage"
	"hk/pkg/unshare"

	"golang.org/x/sys/unix"
)

// kinds are what of a chain is narrowed besides what the rules and the profile do.
var kinds = []string{"caps", "mounts", "net"}

// parseKeep parses the value of --keep.
func parseKeep(v string) ([]string, error) {
	list := getopt.List(v)
	for _, w := range list {
		switch {
		case w == "all":
			return kinds, nil
		case !slices.Contains(kinds, w):
			return nil, fmt.Errorf("%q is not %s or all", w, strings.Join(kinds, ", "))
		}
	}
	return list, nil
}

// A change is one that restricts the chain further.
type change struct {
	// kind is one of kinds, what the flag or the stage that it is about, and because what was
	// seen.
	kind, what, because string
	// make changes the links of the chain, whose stages are copies, and then are stages after the
	// domain. Without either it is advice: what the chain should not be changed by, for a reason,
	// which is part of because.
	make func(*chain.Chain)
	then []chain.Link
}

// narrow makes the changes that the use permits, as long as the chain can be planned with them,
// and says what was changed, and what was not.
func (s *session) narrow(u *usage, rec *access.Record) (said []string) {
	var advice []string
	for _, c := range slices.Concat(s.narrowCaps(u), s.narrowNetwork(u), s.narrowMounts(u, rec)) {
		text := c.what + ": " + c.because
		switch {
		case c.make == nil && c.then == nil:
		case slices.Contains(s.keep, c.kind):
			text += "; kept by --keep " + c.kind
		default:
			s.changes = append(s.changes, c)
			err := s.check()
			if err == nil {
				said = append(said, "narrowed: "+text)
				continue
			}
			s.changes = s.changes[:len(s.changes)-1]
			text += "; the chain cannot be planned with it: " + err.Error()
		}
		advice = append(advice, "advice: "+text)
	}
	return append(said, advice...)
}

// narrowCaps takes the capabilities away that were not used, at the end of the chain.
func (s *session) narrowCaps(u *usage) []change {
	used, _ := capBits(u.Caps)
	has := s.caps.has
	if used &= has; has == used {
		return nil
	}
	list := "none"
	for _, name := range capList(used) {
		list += ",+" + name
	}
	because := "no use of another capability was seen"
	switch {
	case u.Told && used == 0:
		because = "the kernel has told of each check of a capability, and none was used"
	case u.Told:
		because = "the kernel has told of each check of a capability, and of no use of another one"
	case used == 0:
		because = "no use of a capability was seen"
	}
	// The domain comes first: its rules may be for files that the payload had open.
	drop := chain.Link{Kind: &setuser.Kind, Stage: &setuser.Credentials{Caps: list}}
	return []change{{kind: "caps", what: "hk-setuser --caps=" + list, because: because, then: []chain.Link{drop}}}
}

// insert adds a stage to a chain.
func insert(c *chain.Chain, at int, kind *stage.Kind, added stage.Stage) {
	c.Links = slices.Insert(c.Links, at, chain.Link{Kind: kind, Stage: added})
}

// narrowNetwork puts the payload into a network namespace, if it needs no other network.
func (s *session) narrowNetwork(u *usage) []change {
	if s.state.NS.Entered(unix.CLONE_NEWNET) {
		return nil
	}
	what, because := "hk-unshare --net", "the network was not used"
	if u.Network != "" {
		because = u.Network
		if !u.Loopback {
			return []change{{kind: "net", what: what, because: because}}
		}
		what = "hk-unshare --net hk-net --loopback"
	}
	at, found := s.namespaces()
	switch {
	case u.Unsure != "":
		return []change{{kind: "net", what: what, because: because + ", as far as was seen: " + u.Unsure}}
	case s.gainsOver(u) != 0:
		return []change{{kind: "net", what: what, because: because + "; but the payload would have " + plan.CapNames(s.gainsOver(u)) + " over the new one"}}
	case !found && s.state.Host.UID != 0:
		return []change{{kind: "net", what: what, because: because + "; for that an ordinary user needs hk-unshare --user, which the chain lacks"}}
	}
	return []change{{kind: "net", what: what, because: because, make: func(c *chain.Chain) {
		if !found {
			insert(c, 0, &unshare.Kind, &unshare.Namespaces{New: unix.CLONE_NEWNET})
		} else {
			n := c.Links[at].Stage.(*unshare.Namespaces)
			n.New |= unix.CLONE_NEWNET
			n.Share &^= unix.CLONE_NEWNET
		}
		if !u.Loopback {
			return
		}
		after := at
		for i, l := range c.Links {
			if l.Kind == chain.ByName("hk-idmap") {
				after = max(after, i)
			}
		}
		insert(c, after+1, &netns.Kind, &netns.Network{Loopback: true})
	}}}
}

// gainsOver are the capabilities by which a network namespace of its own would allow the payload
// something that the chain does not: in a user namespace it has none over that of the caller.
func (s *session) gainsOver(u *usage) uint64 {
	if !s.state.NS.Entered(unix.CLONE_NEWUSER) {
		return 0
	}
	left := s.caps.has
	if used, _ := capBits(u.Caps); !slices.Contains(s.keep, "caps") {
		left &= used
	}
	return left & (1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_NET_RAW | 1<<unix.CAP_SYS_ADMIN)
}

// namespaces is the stage that can make a network namespace too: the one that makes the user
// namespace or, for root, one that makes any.
func (s *session) namespaces() (at int, found bool) {
	for _, wanted := range []uint64{unix.CLONE_NEWUSER, ^uint64(0)} {
		for i, l := range s.chain.Links {
			n, ok := l.Stage.(*unshare.Namespaces)
			if ok && (n.All || n.New&wanted != 0) && (wanted == unix.CLONE_NEWUSER || s.state.Host.UID == 0) {
				return i, true
			}
		}
	}
	return 0, false
}

// narrowMounts makes writable bind mounts read-only in which nothing was changed.
func (s *session) narrowMounts(u *usage, rec *access.Record) (list []change) {
	for _, p := range s.mounts(rec) {
		e := s.chain.Links[p.link].Stage.(*mount.Mounts).Entries[p.entry]
		value := func(kind mount.EntryKind) string {
			e := e
			e.Kind = kind
			args := (&mount.Mounts{Entries: []mount.Entry{e}}).Args()
			return "hk-mount " + vis.Text(args[len(args)-1])
		}
		less, writable := map[mount.EntryKind]mount.EntryKind{mount.Bind: mount.ReadOnlyBind, mount.TryBind: mount.TryReadOnly}[p.kind]
		opened, changed := slices.Contains(u.Opened, p.at), slices.Contains(u.Changed, p.at)
		switch {
		case changed:
		case writable && u.Unsure != "":
			list = append(list, change{kind: "mounts", what: value(less), because: "nothing was changed there, as far as was seen: " + u.Unsure})
		case writable:
			list = append(list, change{kind: "mounts", what: value(less), because: "nothing was changed there", make: func(c *chain.Chain) {
				c.Links[s.moved(c, p.link)].Stage.(*mount.Mounts).Entries[p.entry].Kind = less
			}})
		}
		if !opened {
			kind := p.kind
			if writable {
				kind = less
			}
			list = append(list, change{kind: "mounts", what: value(kind), because: "nothing was opened or changed there, so perhaps it can be left out"})
		}
	}
	return list
}

// moved is where a stage of the chain that was given is in one with stages that were added.
func (s *session) moved(c *chain.Chain, link int) int {
	nth := 0
	for _, l := range s.chain.Links[:link] {
		if l.Kind == s.chain.Links[link].Kind {
			nth++
		}
	}
	for i, l := range c.Links {
		if l.Kind == s.chain.Links[link].Kind {
			if nth == 0 {
				return i
			}
			nth--
		}
	}
	return link
}

// beforeFilters is the place before the filters at the end of a chain, which may deny the
// calls of a stage.
func beforeFilters(links []chain.Link) int {
	end := len(links)
	for end > 0 && links[end-1].Kind.Name == "hk-seccomp" {
		end--
	}
	return end
}

// narrowed is the chain with the changes.
func (s *session) narrowed() (*chain.Chain, error) {
	c, err := cli.ReadChain(s.find, append(append(s.print(s.chain.Links), "--"), s.chain.Payload...))
	for _, change := range s.changes {
		if err == nil && change.make != nil {
			change.make(c)
		}
	}
	return c, err
}
