package landlock

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"hk/pkg/cause"
	"hk/pkg/host"
	"hk/pkg/stage"
)

// A domain is what a ruleset restricts: access rights on files and ports that are
// denied unless a rule grants them, scopes, and flags for the audit log.
type domain struct {
	fs, net, scope, log uint64
}

func (d domain) empty() bool { return d.fs|d.net|d.scope == 0 }

// A part is one of the four sets of a domain, and the names of its bits.
type part struct {
	what   string
	rights []right
	set    *uint64
}

func (d *domain) parts() []part {
	return []part{
		{"right", fsRights, &d.fs},
		{"right", netRights, &d.net},
		{"scope", scopes, &d.scope},
		{"flag", logFlags, &d.log},
	}
}

// enforce is the part of a domain that the kernel can enforce. What it cannot enforce
// is an error or, with best effort, skipped and reported.
func (r *Ruleset) enforce(s *stage.State, asked domain) (domain, error) {
	abi := s.Host.LandlockABI()
	switch {
	case abi == 0:
		why, name := host.NoLandlock()
		if !r.BestEffort {
			return domain{}, cause.Because(name, host.NotSupported(errors.New(why)))
		}
		s.Skip("everything: " + why)
		return domain{}, nil
	case r.ABI > abi:
		err := fmt.Sprintf("--abi %d: not supported (needs Linux %v; this kernel has ABI %d)", r.ABI, host.Landlock(r.ABI).Since(), abi)
		if !r.BestEffort {
			return domain{}, cause.Because(cause.LandlockABI, host.NotSupported(errors.New(err)))
		}
		s.Skip(err)
	}
	d := asked
	for _, p := range d.parts() {
		for _, right := range p.rights {
			if *p.set&right.bit == 0 || right.abi <= abi {
				continue
			}
			err := right.missing(p.what, abi)
			if !r.BestEffort {
				if r.ABI == 0 && p.set == &d.fs && right.bit&r.namedFS() == 0 {
					err += fmt.Sprintf("; --abi %d restricts what this kernel supports", abi)
				}
				return domain{}, cause.Because(cause.LandlockABI, host.NotSupported(errors.New(err)))
			}
			if right.bit == refer && p.set == &d.fs {
				err += ", and always denies it"
			}
			*p.set &^= right.bit
			s.Skip(err)
		}
	}
	return d, nil
}

// missing says what a right needs and the kernel lacks.
func (r right) missing(what string, abi int) string {
	return fmt.Sprintf("%s %s: not supported (needs Landlock ABI %d, Linux %v; this kernel has ABI %d)",
		what, r.name, r.abi, host.Landlock(r.abi).Since(), abi)
}

// errata are Landlock's known defects, each with the sets that it concerns.
var errata = []struct {
	number int
	about  domain
	text   string
}{
	{1, domain{net: bindTCP | connectTCP}, "Multipath TCP, SCTP and SMC are treated as TCP, and so are also restricted"},
	{2, domain{scope: scopeSignal}, "threads of one process that are in different domains cannot signal each other"},
	{3, domain{fs: refer}, "links and renames in a directory that was moved out of a bind mount can gain access rights"},
	{4, domain{fs: makeChar | makeReg}, "creating a whiteout of an overlay needs make_char instead of make_reg"},
}

// notes are the errata that the kernel has and that concern d.
func notes(h *host.Host, d domain) []string {
	fixed := h.LandlockErrata()
	var list []string
	for _, e := range errata {
		matters := e.about.fs&d.fs|e.about.net&d.net|e.about.scope&d.scope != 0
		if matters && fixed>>(e.number-1)&1 == 0 {
			list = append(list, fmt.Sprintf("Landlock erratum %d is not known to be fixed in this kernel: %s", e.number, e.text))
		}
	}
	return list
}

// open are notes on what a domain for files leaves open although it may not seem so.
func (r *Ruleset) open(h *host.Host, d domain) (list []string) {
	const unixSockets = "connecting to UNIX sockets by path, such as /run/docker.sock, is not restricted: "
	switch {
	case d.fs == 0 || r.exact() || d.fs&resolveUnix != 0:
	case h.LandlockABI() >= 9:
		list = append(list, unixSockets+"--restrict resolve_unix does that")
	default:
		list = append(list, unixSockets+"that needs Landlock ABI 9, Linux 7.1; hide them with hk-mount --mask, or give the payload another root")
	}
	if len(r.Closures) > 0 {
		list = append(list, "--exec-closure: the loader may be executed, and so any program that may be read, as its argument")
	}
	return list
}

// table says for each right since when it exists and whether this kernel has it, and,
// if anything is asked for, whether the right is part of it and is enforced.
func table(h *host.Host, asked, enforced domain) []string {
	abi := h.LandlockABI()
	head := "no Landlock in this kernel"
	if abi > 0 {
		head = fmt.Sprintf("Landlock ABI %d in this kernel", abi)
		if abi <= host.NewestLandlockABI {
			head += ", as in Linux " + host.Landlock(abi).Since().String()
		}
		head += "; errata fixed: " + bits(h.LandlockErrata())
	}
	show := !asked.empty()
	row := func(name, abi, linux, here, asked, enforced string) string {
		line := fmt.Sprintf("%-21s %-4s %-6s %-4s", name, abi, linux, here)
		if show {
			line += fmt.Sprintf(" %-6s %s", asked, enforced)
		}
		return strings.TrimRight(line, " ")
	}
	list := []string{head, row("", "ABI", "Linux", "here", "asked", "enforced")}
	has := enforced.parts()
	for i, p := range asked.parts() {
		for _, r := range p.rights {
			in := *has[i].set&r.bit != 0
			enforced := yesNo(in)
			if r.bit == refer && p.set == &asked.fs && !in && has[i].set != nil && *has[i].set != 0 {
				enforced = "denied" // in every domain for files that does not handle it
			}
			list = append(list, row(r.name, fmt.Sprint(r.abi), host.Landlock(r.abi).Since().String(), yesNo(abi >= r.abi), yesNo(*p.set&r.bit != 0), enforced))
		}
	}
	return list
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// bits lists the numbers of the bits that are set, starting with 1.
func bits(set int) string {
	var list []string
	for n := 1; n <= 32; n++ {
		if set>>(n-1)&1 != 0 {
			list = append(list, fmt.Sprint(n))
		}
	}
	if list == nil {
		return "none"
	}
	return strings.Join(list, " ")
}

// Prints reports whether --support is set.
func (r *Ruleset) Prints() bool { return r.Support }

// Print writes what this kernel supports, and what it enforces of the other flags.
func (r *Ruleset) Print(s *stage.State, w io.Writer) error {
	h := s.Host
	abi := h.LandlockABI()
	asked := r.askedOf(abi)
	enforced := domain{asked.fs & upTo(fsRights, abi), asked.net & upTo(netRights, abi),
		asked.scope & upTo(scopes, abi), asked.log & upTo(logFlags, abi)}
	_, err := io.WriteString(w, strings.Join(table(h, asked, enforced), "\n")+"\n")
	return err
}
