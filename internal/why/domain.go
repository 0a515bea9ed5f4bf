package why

import (
	"encoding/binary"
	"path"
	"strings"

	"hk/pkg/landlock"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// A domain is a Landlock domain that the plan enters.
type domain struct {
	// files and net are the rights that it handles, and scope what it cannot reach.
	files      landlock.Access
	net, scope uint64
	rules      []rule
	ports      map[uint16]uint64
	// later is set if rules are added that are known only when the plan is performed.
	later bool
}

// A rule allows access to a file hierarchy.
type rule struct {
	path   string
	access landlock.Access
}

// findDomains reads the ops that create domains and enter them.
func (s *subject) findDomains() (list []*domain) {
	opened := map[*plan.Result]string{}
	made := map[*plan.Result]*domain{}
	for _, it := range s.state.Plan.Items() {
		if it.Step != nil {
			for _, r := range it.Step.Takes {
				if d := made[r]; d != nil {
					d.later = true
				}
			}
			continue
		}
		op := it.Op
		switch op.Name {
		case "openat", "openat2":
			if p, ok := text(op.Args[1]); ok && op.Args[0].Result() == nil && op.Result != nil {
				opened[op.Result] = s.absolute(p)
			}
		case "landlock_create_ruleset":
			b := memory(op.Args[0], 24)
			made[op.Result] = &domain{files: landlock.Access(word(b, 0)), net: word(b, 8), scope: word(b, 16), ports: map[uint16]uint64{}}
		case "landlock_add_rule":
			if d := made[op.Args[0].Result()]; d != nil {
				d.add(op, opened)
			}
		case "landlock_restrict_self":
			if d := made[op.Args[0].Result()]; d != nil {
				list = append(list, d)
			}
		}
	}
	return list
}

// add reads the op of a rule.
func (d *domain) add(op *plan.Op, opened map[*plan.Result]string) {
	access := word(memory(op.Args[2], 16), 0)
	if op.Args[1].Number() != unix.LANDLOCK_RULE_PATH_BENEATH {
		d.ports[uint16(word(memory(op.Args[2], 16), 8))] |= access
		return
	}
	for _, ref := range op.Args[2].Buffer().References() {
		p, ok := opened[ref.Result]
		if !ok {
			d.later = true
			continue
		}
		d.rules = append(d.rules, rule{p, landlock.Access(access)})
	}
}

func memory(a plan.Arg, n int) []byte {
	b := a.Buffer()
	m := make([]byte, max(b.Len(), n))
	b.CopyTo(m)
	return m
}

func word(b []byte, at int) uint64 { return binary.NativeEndian.Uint64(b[at:]) }

// text is a path that an op is given.
func text(a plan.Arg) (string, bool) {
	b := a.Buffer()
	if b == nil {
		return "", false
	}
	p, _, ok := strings.Cut(string(memory(a, 0)), "\x00")
	return p, ok
}

func (s *subject) absolute(p string) string {
	if !path.IsAbs(p) {
		p = s.host.Dir + "/" + p
	}
	return p
}

// missing are those of the rights on a path that a domain handles and does not grant. The
// path has no symbolic links.
func (s *subject) missing(d *domain, p string, need landlock.Access) landlock.Access {
	if need &= d.files | refer; d.files == 0 {
		return 0 // otherwise refer is denied, whether it is handled or not
	}
	for _, r := range d.rules {
		if need&r.access&d.files != 0 && s.beneath(p, r.path) {
			need &^= r.access & d.files
		}
	}
	return need
}

// beneath reports whether a path is at or below the place that a rule was made for, by
// its name or by another place where the same is mounted.
func (s *subject) beneath(p, top string) bool {
	at, err := s.see(top)
	if err != nil {
		return false
	}
	for {
		if p == at.Path {
			return true
		}
		if here, err := s.see(p); err == nil && s.same(here.Source, at.Source) {
			return true
		}
		if p == "/" {
			return false
		}
		p = path.Dir(p)
	}
}

// same reports whether two paths of the host lead to the same file.
func (s *subject) same(p, q string) bool {
	if p == "" || q == "" {
		return false
	}
	dev, ino, err := s.host.Inode(p)
	dev2, ino2, err2 := s.host.Inode(q)
	return err == nil && err2 == nil && dev == dev2 && ino == ino2
}
