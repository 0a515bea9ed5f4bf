package inspect

import (
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"

	"hk/pkg/filter"
	"hk/pkg/host"
	"hk/pkg/ptrace"

	"golang.org/x/sys/unix"
)

// stopTime is how long a process may take to stop.
const stopTime = 5 * time.Second

// maxSteps is how many instructions of all filters of a process are followed at most: some
// tenths of a second.
const maxSteps = 1 << 26

// readContents reads what the filters of another process do.
func (r *Report) readContents(p *process, s status) {
	if s.mode != unix.SECCOMP_MODE_FILTER {
		return
	}
	err := p.mayReadFilters()
	var list [][]unix.SockFilter
	if err == nil {
		list, err = ptrace.Filters(p.tid, stopTime, func() error { _, err := p.stat(); return err })
	}
	if err != nil {
		r.unreadable("seccomp.contents", contentsError(err))
		return
	}
	native := filter.Native(runtime.GOARCH)
	steps := maxSteps
	for _, code := range list {
		c := FilterContent{Instructions: len(code), code: code, Arches: []ArchContent{}}
		if err := filter.Check(code); err != nil {
			r.unreadable("seccomp.contents", err)
			return
		}
		c.Profile = filter.ProfileOf(code, native)
		for _, s := range filter.Summarize(code, native, &steps) {
			c.Arches = append(c.Arches, archContent(s))
		}
		r.Seccomp.Contents = append(r.Seccomp.Contents, c)
	}
	if steps == 0 {
		r.unreadable("seccomp.calls", errors.New("the filters have too many branches to say of each call what they do with it: what is not known is listed as by arguments"))
	}
}

// addContents is readContents for a report that has been read.
func (r *Report) addContents(h *host.Host, pid int) {
	p, err := openProcess(h, pid)
	var s status
	if err == nil {
		defer p.close()
		s, err = p.status()
	}
	switch {
	case r.Seccomp == nil:
	case err != nil:
		r.unreadable("seccomp.contents", err)
	default:
		r.readContents(p, s)
	}
}

// mayReadFilters returns why the kernel will not tell what filters do, before the process is
// stopped for nothing.
func (p *process) mayReadFilters() error {
	switch mode, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0); {
	case p.own:
		return errors.New("a process cannot stop itself")
	case p.host.Effective>>unix.CAP_SYS_ADMIN&1 == 0 || p.host.UserNS():
		return errors.New("to read what filters do takes CAP_SYS_ADMIN in the initial user namespace")
	case err != nil || mode != 0:
		return errors.New("to read what filters do, this process must have none itself")
	}
	return nil
}

// contentsError says why a process cannot be attached to.
func contentsError(err error) error {
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("%w: it is traced already, or a security module forbids to trace it", err)
	}
	return err
}

func archContent(s filter.Summary) ArchContent {
	a := ArchContent{Arch: s.Arch.Name, Denied: map[string][]string{}, Conditional: s.Varying, Allowed: s.Allowed}
	for act, names := range s.Denied {
		a.Denied[act.String()] = names
	}
	if a.Conditional == nil {
		a.Conditional = []string{}
	}
	if !s.OthersVary {
		a.Others = s.Others.String()
	}
	return a
}

// rows are those of the n-th filter.
func (f *FilterContent) rows(n int) []row {
	what := fmt.Sprintf("%d instructions", f.Instructions)
	if f.Profile != "" {
		what += ", the profile " + f.Profile
	}
	rows := []row{{fmt.Sprintf("filter %d", n), what}}
	for _, a := range f.Arches {
		name := fmt.Sprintf("%d %s", n, a.Arch)
		if acts := slices.Sorted(maps.Keys(a.Denied)); a.Allowed == 0 && len(a.Conditional) == 0 && len(acts) == 1 && a.Others == acts[0] {
			rows = append(rows, row{name, acts[0] + ": all calls"})
			continue
		}
		for _, act := range slices.Sorted(maps.Keys(a.Denied)) {
			rows = append(rows, row{name, act + ": " + strings.Join(a.Denied[act], " ")})
		}
		if len(a.Conditional) > 0 {
			rows = append(rows, row{name, "by arguments: " + strings.Join(a.Conditional, " ")})
		}
		others := a.Others
		if others == "" {
			others = "by arguments"
		}
		rows = append(rows, row{name, fmt.Sprintf("allowed: %d calls; unknown numbers: %s", a.Allowed, others)})
	}
	return rows
}
