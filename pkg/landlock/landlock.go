// Package landlock restricts what the payload can open, execute, connect to and
// signal: landlock(7).
//
// A rule implies its restriction: --ro /usr forbids everything that no rule
// allows. Rules for the same path add up. What the kernel cannot enforce is an
// error.
package landlock

import (
	"errors"
	"fmt"

	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// A Ruleset is one Landlock domain.
type Ruleset struct {
	Rules []Rule
	// Bind and Connect are the TCP ports that may be used.
	Bind, Connect []uint16
	// Scope holds LANDLOCK_SCOPE_* bits: what cannot be reached outside of the
	// domain.
	Scope uint64
	// Restrict restricts with nothing allowed: fs, tcp-bind, tcp-connect.
	RestrictFS  bool
	RestrictNet uint64
	// ABI is the ABI whose rights on files are handled; 0 is DefaultABI. A
	// kernel that has less is an error.
	ABI int
}

// A Rule allows access to a file hierarchy, as seen from the root in force when
// the rule is added.
type Rule struct {
	// Flag is ro, rx, rw or rwx.
	Flag string
	Path string
}

// DefaultABI is what restricts files unless an ABI is named: all rights up to
// ioctl_dev (Linux 6.10). It does not grow with the kernel, so that a chain
// means the same on the next one.
const DefaultABI = 5

var classes = map[string]Access{
	"ro":  read,
	"rx":  read | execute,
	"rw":  read | write,
	"rwx": read | write | execute,
}

const (
	bindTCP    = 1 << 0
	connectTCP = 1 << 1
)

// handled is what the domain restricts.
func (r *Ruleset) handled() (fs, net uint64) {
	abi := r.ABI
	if abi == 0 {
		abi = DefaultABI
	}
	if r.RestrictFS || len(r.Rules) > 0 {
		fs = upTo(fsRights, abi)
	}
	net = r.RestrictNet
	if len(r.Bind) > 0 {
		net |= bindTCP
	}
	if len(r.Connect) > 0 {
		net |= connectTCP
	}
	return fs, net
}

func (r *Ruleset) check(s *stage.State, fs, net uint64) error {
	if fs|net|r.Scope == 0 {
		return errors.New("nothing is restricted: see hk-landlock(1)")
	}
	abi := s.Host.LandlockABI()
	if abi == 0 {
		return errors.New("this kernel has no Landlock: it is not built in, or not among the lsm= of the kernel command line")
	}
	if r.ABI > abi {
		return fmt.Errorf("--abi %d: this kernel has ABI %d", r.ABI, abi)
	}
	if err := needs(fs, fsRights, "right", abi); err != nil {
		return fmt.Errorf("%w; --abi %d restricts what it has", err, abi)
	}
	if err := needs(net, netRights, "right", abi); err != nil {
		return err
	}
	return needs(r.Scope, scopes, "scope", abi)
}

// Plan adds the ops that make the domain and enter it.
func (r *Ruleset) Plan(s *stage.State) error {
	fs, net := r.handled()
	if err := r.check(s, fs, net); err != nil {
		return err
	}
	set := s.Open("ruleset", rights.CreateRuleset(fs, net, r.Scope).
		Hint(unix.EOPNOTSUPP, "Landlock is disabled at boot: see lsm= on the kernel command line"))
	for _, rule := range r.union() {
		r.allowPath(s, set, rule.path, rule.access&Access(fs))
	}
	if fs != 0 {
		allowNext(s, set)
	}
	for _, ports := range []struct {
		list   []uint16
		access uint64
	}{{r.Bind, bindTCP}, {r.Connect, connectTCP}} {
		for _, port := range ports.list {
			s.Add(rights.AllowPort(set, port, ports.access))
		}
	}
	s.Add(plan.NoNewPrivs(), plan.LandlockRestrictSelf(set), plan.Close(set))
	s.Landlocked = s.Landlocked || fs != 0
	return nil
}

type grant struct {
	path   string
	access Access
}

// union adds up the rules for one path, in the order of the first.
func (r *Ruleset) union() []grant {
	var list []grant
	at := map[string]int{}
	for _, rule := range r.Rules {
		i, ok := at[rule.Path]
		if !ok {
			i = len(list)
			at[rule.Path] = i
			list = append(list, grant{path: rule.Path})
		}
		list[i].access |= classes[rule.Flag]
	}
	return list
}

// allowPath grants rights at a path. Whether it is a directory cannot be known
// before the root is made, so what a file can have is granted first, and the
// rest to what is a directory: for a file the kernel says EINVAL to that.
func (r *Ruleset) allowPath(s *stage.State, set *plan.Result, p string, access Access) {
	open := plan.Openat(plan.AtCwd(), p, unix.O_PATH|unix.O_CLOEXEC, 0).
		Hint(unix.ENOENT, "the path must exist in the root in force")
	at := s.Open("path", open)
	file := access & onFile
	s.Add(rights.AllowPath(set, at, uint64(file)))
	if access != file {
		s.Add(rights.AllowPath(set, at, uint64(access)).Except(unix.EINVAL))
	}
	s.Add(plan.Close(at))
}

// allowNext lets the next stage of a chain that is not fused be executed.
func allowNext(s *stage.State, set *plan.Result) {
	const access = execute | readFile
	switch {
	case s.Next != nil:
		s.Add(rights.AllowPath(set, s.Next, access))
	case s.NextFD >= 0:
		s.Add(rights.AllowFD(set, s.NextFD, access))
	}
}
