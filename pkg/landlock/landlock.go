// Package landlock restricts what the payload can open, execute, connect to and signal:
// landlock(7).
//
// A rule implies its restriction: --ro /usr denies everything that no rule allows.
// Rules for the same path are combined. What the kernel cannot enforce is an error,
// unless BestEffort is set. A domain needs no privilege other than no_new_privs, and
// applies to everything that the payload executes.
//
// # What it does not stop
//
// Access through what is already open, and operations for which the kernel has no
// access right: stat(2), chdir(2), chmod(2), chown(2), utimensat(2), setxattr(2),
// flock(2) and access(2) of any file that can be named. Protocols other than TCP and,
// since ABI 10, UDP. Requests to a process outside the domain over a socket to which
// the payload may connect. Files are not hidden: for that, give the payload another
// root directory (hk-mount).
package landlock

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"hk/pkg/cause"
	"hk/pkg/host"
	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// A Ruleset is one Landlock domain.
type Ruleset struct {
	Rules []Rule
	// BindTCP, ConnectTCP, BindUDP and ConnectUDP are allowed ports. UDP needs ABI 10
	// (Linux 7.2).
	BindTCP, ConnectTCP, BindUDP, ConnectUDP []uint16
	// Scope are LANDLOCK_SCOPE_* bits: what cannot be reached outside the domain.
	Scope uint64
	// RestrictFS restricts all access rights on files of the ABI, Restrict restricts
	// these rights, and RestrictNet these bits of LANDLOCK_ACCESS_NET_*, without
	// allowing anything. With Restrict, rules that name rights (allow) restrict only
	// these; all other rules, Closures, RestrictFS and ABI restrict all of the ABI.
	//
	// RestrictAll restricts all access rights and scopes that this kernel has.
	RestrictFS  bool
	RestrictAll bool
	Restrict    Access
	RestrictNet uint64
	// ABI is the ABI whose access rights on files are restricted, in addition to those
	// named in Rules and Restrict; 0 means DefaultABI. It is an error if the kernel's
	// ABI is lower.
	ABI int
	// BestEffort skips what the kernel cannot enforce, and reports it.
	BestEffort bool
	// Closures are programs, given as paths or as names to search for in PATH, that may
	// be executed. Everything they need may be read: interpreters and libraries.
	Closures []string
	// IgnoreMissing skips rules for paths, and programs of Closures, that do not exist,
	// and reports it.
	IgnoreMissing bool
	// NoSymlinks makes a symbolic link in the path of a rule an error, except in those that
	// begin with /proc/self. It is not about Closures.
	NoSymlinks bool
	// Log says which denials are written to the audit log: "off" none, "exec" those of
	// this domain, "subdomains" also those of domains created in it, and "" the
	// kernel's default: none of this domain.
	Log string
	// AllowNewPrivs does not set no_new_privs; entering the domain then needs
	// CAP_SYS_ADMIN.
	AllowNewPrivs bool
	// Learn is a file to which rules are written that allow what the payload uses; nothing
	// is restricted then.
	Learn string
	// Support prints what the kernel supports and executes nothing.
	Support bool
}

// A Rule allows access to a file hierarchy, as seen from the root that is current when
// the rule is added.
type Rule struct {
	// Flag is ro, rx, rw or rwx; or allow, which grants Access.
	Flag   string
	Path   string
	Access Access
}

// DefaultABI determines which access rights on files are restricted unless an ABI is
// given: all rights up to ioctl_dev (Linux 6.10). It does not grow with the kernel, so
// that a chain means the same on the next one.
const DefaultABI = 5

var classes = []struct {
	name   string
	access Access
}{
	{"ro", read},
	{"rx", read | execute},
	{"rw", read | write},
	{"rwx", read | write | execute},
}

func (r Rule) access() Access {
	if r.Flag == "allow" {
		return r.Access
	}
	for _, c := range classes {
		if c.name == r.Flag {
			return c.access
		}
	}
	return 0
}

// namedFS are the access rights on files that are restricted whatever the ABI.
func (r *Ruleset) namedFS() uint64 {
	set := uint64(r.Restrict)
	for _, rule := range r.Rules {
		if rule.Flag == "allow" {
			set |= uint64(rule.Access)
		}
	}
	return set
}

// exact reports whether only the access rights on files that are named are restricted:
// Restrict names some, and nothing is given that stands for more of them.
func (r *Ruleset) exact() bool {
	return r.Restrict != 0 && !r.RestrictFS && !r.RestrictAll && r.ABI == 0 && len(r.Closures) == 0 &&
		!slices.ContainsFunc(r.Rules, func(rule Rule) bool { return rule.Flag != "allow" })
}

// A portList is the list of ports allowed for one operation.
type portList struct {
	flag  string
	right uint64
	ports *[]uint16
}

func (r *Ruleset) portLists() []portList {
	return []portList{
		{"tcp-bind", bindTCP, &r.BindTCP},
		{"tcp-connect", connectTCP, &r.ConnectTCP},
		{"udp-bind", bindUDP, &r.BindUDP},
		{"udp-connect", connectUDP, &r.ConnectUDP},
	}
}

// logBits are the flags for a value of --log, or 0 if there is no such value.
func logBits(v string) uint64 {
	switch v {
	case "off":
		return logSameExecOff | logSubdomainsOff
	case "exec":
		return logNewExecOn | logSubdomainsOff
	case "subdomains":
		return logNewExecOn
	}
	return 0
}

// askedOf is the domain that the settings describe for a kernel with that ABI: all that it
// has, if that is asked for, and at least the first ABI, so that none is an error.
func (r *Ruleset) askedOf(abi int) domain {
	d := r.asked()
	if r.RestrictAll {
		abi = max(abi, 1)
		d.fs, d.net, d.scope = d.fs|upTo(fsRights, abi), d.net|upTo(netRights, abi), d.scope|upTo(scopes, abi)
	}
	return d
}

// asked is the domain that the settings describe, on a kernel that supports all of it.
func (r *Ruleset) asked() domain {
	d := domain{fs: r.namedFS(), net: r.RestrictNet, scope: r.Scope, log: logBits(r.Log)}
	if r.RestrictFS || len(r.Rules) > 0 || len(r.Closures) > 0 {
		abi := r.ABI
		if abi == 0 {
			abi = DefaultABI
		}
		if !r.exact() && (!r.RestrictAll || r.ABI != 0) {
			d.fs |= upTo(fsRights, abi)
		}
	}
	for _, l := range r.portLists() {
		if len(*l.ports) > 0 {
			d.net |= l.right
		}
	}
	return d
}

// forbidsMounts reports whether the domain that the kernel enforces has rights on files.
func (r *Ruleset) forbidsMounts(h *host.Host) bool {
	abi := h.LandlockABI()
	return r.Learn != "" || abi > 0 && r.askedOf(abi).fs&upTo(fsRights, abi) != 0
}

// Needs implements stage.Stage. A domain may deny the next program what it handles.
func (r *Ruleset) Needs() stage.Needs {
	if r.Learn != "" {
		return stage.Needs{Supervisor: true, Attach: r.addAttach}
	}
	return stage.Needs{Hides: true, Confines: r.askedOf(1).fs&(execute|readFile) != 0}
}

// Plan adds the ops that create the domain and enter it.
func (r *Ruleset) Plan(s *stage.State) error {
	if r.Learn != "" {
		return r.noNewPrivs(s)
	}
	asked := r.askedOf(s.Host.LandlockABI())
	if asked.empty() {
		return errors.New("nothing is restricted: see hk-landlock(1)")
	}
	d, err := r.enforce(s, asked)
	if err != nil {
		return err
	}
	name := s.Name
	s.Report.Comments = append(s.Report.Comments, func() []string {
		lines := table(s.Host, asked, d)
		for i := range lines {
			lines[i] = name + ": " + lines[i]
		}
		return lines
	})
	s.Note(notes(s.Host, d)...)
	s.Note(r.open(s.Host, d)...)
	if d.log&logNewExecOn != 0 {
		s.Note("--log " + r.Log + ": " + s.Host.Audit())
	}
	if d.empty() {
		return r.noNewPrivs(s)
	}
	set := s.Open("ruleset", rights.CreateRuleset(d.fs, d.net, d.scope).
		Because(unix.EOPNOTSUPP, cause.LandlockBoot, "Landlock is disabled at boot: see lsm= on the kernel command line"))
	if err := r.allowPaths(s, set, Access(d.fs)); err != nil {
		return err
	}
	if err := r.allowClosures(s, set, Access(d.fs)); err != nil {
		return err
	}
	for _, l := range r.portLists() {
		for _, port := range *l.ports {
			if d.net&l.right != 0 {
				s.For(fmt.Sprintf("--%s %d", l.flag, port))
				s.Add(rights.AllowPort(set, port, l.right))
			}
		}
	}
	s.For("")
	if err := r.noNewPrivs(s); err != nil {
		return err
	}
	s.Add(rights.RestrictSelf(set, d.log).
		Because(unix.EPERM, cause.Capability, "entering a domain without no_new_privs needs CAP_SYS_ADMIN").
		Because(unix.E2BIG, cause.LandlockDepth, "the process is already in 16 nested Landlock domains, including those of the caller: combine rules in one hk-landlock"), plan.Close(set))
	return nil
}

func (r *Ruleset) noNewPrivs(s *stage.State) error {
	if r.AllowNewPrivs {
		return s.AllowNewPrivs()
	}
	s.SetNoNewPrivs(false)
	return nil
}

type grant struct {
	flags  []string
	path   string
	access Access
}

// union combines the rules for each path, in the order in which the paths first occur.
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
		list[i].flags = append(list[i].flags, "--"+rule.Flag)
		list[i].access |= rule.access()
	}
	return list
}

// allowPaths adds the rules for files, as far as the domain handles the rights that
// they grant.
func (r *Ruleset) allowPaths(s *stage.State, set *plan.Result, handled Access) error {
	missing := map[string]*plan.Result{}
	var order []string
	for _, g := range r.union() {
		if g.access &= handled; g.access == 0 {
			continue
		}
		at, err := r.allowPath(s, set, g)
		if err != nil {
			return err
		}
		if r.IgnoreMissing {
			name := strings.Join(g.flags, ", ") + " " + g.path
			order, missing[name] = append(order, name), at
		}
	}
	if order == nil {
		return nil
	}
	s.Plan.AddStep(plan.Step{Stage: s.Name, Text: "report which of these paths do not exist", Do: func(at plan.Context) error {
		for _, name := range order {
			if n := at.Result(missing[name]); n < 0 {
				at.Skip(name + ": " + unix.Errno(-n).Error())
			}
		}
		return nil
	}})
	return nil
}

// openPath opens the path of a rule.
func (r *Ruleset) openPath(s *stage.State, path string) (*plan.Op, error) {
	const self = "/proc/self" // a link to what belongs to the payload
	if !r.NoSymlinks || path == self || strings.HasPrefix(path, self+"/") {
		return s.OpenPath(path, unix.O_PATH|unix.O_CLOEXEC)
	}
	return plan.Openat2(plan.AtCwd(), path, unix.O_PATH|unix.O_CLOEXEC, 0, unix.RESOLVE_NO_SYMLINKS).
		Hint(unix.ELOOP, "a symbolic link is in the path: an earlier payload may have put it there"), nil
}

// allowPath grants rights at a path. Whether it is a directory is not known before the
// root exists, so the rights that a file can have are granted first, and then the rest,
// for a directory: for a file the kernel returns EINVAL for those.
//
// A path that does not exist, and may be missing, is descriptor -1, for which the
// kernel returns EBADF.
func (r *Ruleset) allowPath(s *stage.State, set *plan.Result, g grant) (*plan.Result, error) {
	name := strings.Join(g.flags, ", ") + " " + g.path
	s.For(name)
	defer s.For("")
	open, err := r.openPath(s, g.path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var absent []unix.Errno
	missing := r.IgnoreMissing
	if missing {
		open = open.Tolerate(unix.ENOENT, unix.ENOTDIR)
		absent = []unix.Errno{unix.EBADF}
	} else {
		open = open.Hint(unix.ENOENT, "the path must exist in the current root; or --ignore-missing")
	}
	at := s.Open("path", open.Hint(unix.EACCES, "the payload's user may not search a directory in the path"))
	const pseudo = "rules cannot apply to files of a pseudo file system such as nsfs, and access to them is not restricted"
	file := g.access & onFile
	if file != 0 {
		s.Add(rights.AllowPath(set, at, uint64(file)).Tolerate(absent...).Hint(unix.EBADFD, pseudo))
	}
	switch {
	case file == 0:
		s.Add(rights.AllowPath(set, at, uint64(g.access)).Tolerate(absent...).Hint(unix.EBADFD, pseudo).
			Hint(unix.EINVAL, g.access.Names()+" can be granted only for a directory"))
	case g.access != file:
		s.Add(rights.AllowPath(set, at, uint64(g.access)).Tolerate(append(absent, unix.EINVAL)...))
	}
	s.Add(plan.Close(at).Tolerate(absent...))
	return at, nil
}
