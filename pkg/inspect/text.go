package inspect

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"hk/internal/vis"
	"hk/pkg/host"
	"hk/pkg/plan"
)

// A row is a line of a section: a name and what it is.
type row struct{ name, value string }

// Text writes a report for people. color is set for a terminal that shows colors.
func (r *Report) Text(w io.Writer, color bool) error {
	var b strings.Builder
	if text := r.shownThread(); text != "" {
		b.WriteString(text + "\n")
	}
	for _, name := range sections {
		rows := r.rows(name)
		if !r.wants(name) {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(heading(name, color) + "\n")
		writeRows(&b, append(rows, r.whyNot(name)...))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func heading(name string, color bool) string {
	if color {
		return "\x1b[1m" + name + "\x1b[0m"
	}
	return name
}

func writeRows(b *strings.Builder, rows []row) {
	width := 0
	for i, r := range rows {
		rows[i] = row{vis.Text(r.name), vis.Text(r.value)}
		width = max(width, min(utf8.RuneCountInString(rows[i].name), 40))
	}
	for _, r := range rows {
		pad := max(width-utf8.RuneCountInString(r.name), 0)
		b.WriteString(strings.TrimRight("  "+r.name+strings.Repeat(" ", pad)+"  "+r.value, " ") + "\n")
	}
}

// whyNot are the rows for what could not be read in a section.
func (r *Report) whyNot(section string) (rows []row) {
	for _, what := range slices.Sorted(maps.Keys(r.Unreadable)) {
		name, ok := strings.CutPrefix(what, section)
		if ok && strings.HasSuffix(name, ".threads") {
			rows = append(rows, row{strings.TrimPrefix(name, "."), r.Unreadable[what]})
		} else if ok && (name == "" || name[0] == '.') {
			rows = append(rows, row{strings.TrimPrefix(name, "."), "not readable: " + r.Unreadable[what]})
		}
	}
	return rows
}

// rows are those of a section.
func (r *Report) rows(section string) []row {
	switch section {
	case "ids":
		return r.IDs.rows()
	case "caps":
		return r.Caps.rows()
	case "namespaces":
		return namespaceRows(r.Namespaces)
	case "mounts":
		return mountRows(r.Mounts)
	case "root":
		return r.Root.rows()
	case "limits":
		return limitRows(r.Limits)
	case "cgroups":
		return cgroupRows(r.Cgroups)
	case "seccomp":
		return r.Seccomp.rows()
	case "landlock":
		return r.Landlock.rows()
	case "fds":
		return fdRows(r.FDs)
	case "signals":
		return r.Signals.rows()
	case "session":
		return r.Session.rows()
	case "keyrings":
		return keyringRows(r.Keyrings)
	case "env":
		return r.Env.rows()
	}
	return nil
}

func listed(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, " ")
}

func (s IDSet) String() string {
	if s == (IDSet{s.Real, s.Real, s.Real, s.Real}) {
		return fmt.Sprint(s.Real)
	}
	return fmt.Sprintf("real %d, effective %d, saved %d, fs %d", s.Real, s.Effective, s.Saved, s.FileSystem)
}

func (i *IDs) rows() []row {
	if i == nil {
		return nil
	}
	groups := strings.Trim(fmt.Sprint(i.Groups), "[]")
	if groups == "" {
		groups = "none"
	}
	rows := []row{{"uid", i.UID.String()}, {"gid", i.GID.String()}, {"groups", groups}}
	for _, m := range []struct {
		name string
		list []string
	}{{"uid_map", i.UIDMap}, {"gid_map", i.GIDMap}} {
		if m.list != nil {
			rows = append(rows, row{m.name, listed(m.list)})
		}
	}
	if i.Setgroups != "" {
		rows = append(rows, row{"setgroups", i.Setgroups})
	}
	return rows
}

// capNames are the names of the capabilities of a set.
func capNames(set uint64) []string {
	names := []string{}
	for c := range 64 {
		if set>>c&1 != 0 {
			names = append(names, plan.CapName(c))
		}
	}
	return names
}

func (c *Caps) rows() []row {
	if c == nil {
		return nil
	}
	var rows []row
	for i, name := range setNames {
		text, all := listed(capNames(c.sets[i])), ^uint64(0)>>(63-c.last)
		switch missing := all &^ c.sets[i]; {
		case missing == 0:
			text = "all"
		case len(capNames(missing)) <= 8:
			text = "all but " + listed(capNames(missing))
		}
		if c.Held && i != 0 && (name[1] == "inheritable" || name[1] == "ambient") {
			text += " (held for the stages that follow; the payload loses them)"
		}
		rows = append(rows, row{name[1], text})
	}
	if c.Securebits != nil {
		rows = append(rows, row{"securebits", listed(*c.Securebits)})
	}
	return append(rows, row{"no_new_privs", yes(c.NoNewPrivs)})
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

func namespaceRows(list map[string]Namespace) (rows []row) {
	for _, t := range host.NamespaceTypes {
		n, ok := list[t.Name]
		if !ok {
			continue
		}
		says := map[string]string{"same": "the machine's", "other": "not the machine's", "unknown": "perhaps the machine's"}[n.Host] +
			map[string]string{"same": ", the caller's", "other": ", not the caller's", "unknown": ""}[n.Caller]
		rows = append(rows, row{t.Name, fmt.Sprintf("%d  %s", n.ID, says)})
	}
	return rows
}

func mountRows(list []Mount) (rows []row) {
	depth := map[uint64]int{}
	for _, m := range list {
		if d, ok := depth[m.parent]; ok && m.parent != m.id {
			depth[m.id] = d + 1
		} else {
			depth[m.id] = 0
		}
		text := m.Type + " " + strings.Join(m.Options, ",")
		if slices.Contains(m.Super, "ro") && !slices.Contains(m.Options, "ro") {
			text += ", file system ro"
		}
		if m.Source != "" && m.Source != m.Type && m.Source != "none" {
			text += ", " + m.Source
		}
		if m.From != "/" {
			text += " on " + m.From
		}
		if len(m.Propagation) > 0 {
			text += ", " + strings.Join(m.Propagation, " ")
		}
		if len(m.Hides) > 0 {
			text += ", hides " + strings.Join(m.Hides, " ")
		}
		if m.Hidden {
			text += ", hidden"
		}
		rows = append(rows, row{strings.Repeat("  ", min(depth[m.id], 10)) + m.At, text})
	}
	return rows
}

func (r *Root) rows() (rows []row) {
	if r == nil {
		return nil
	}
	for _, f := range []row{{"root", r.Root}, {"cwd", r.Directory}, {"exe", r.Program}, {"umask", r.Umask}} {
		if f.value != "" {
			rows = append(rows, f)
		}
	}
	return rows
}

func limitRows(list map[string]Limit) (rows []row) {
	for _, res := range resources {
		l, ok := list[res.name]
		switch {
		case !ok:
		case l.Soft == l.Hard:
			rows = append(rows, row{res.name, l.Soft.String()})
		default:
			rows = append(rows, row{res.name, fmt.Sprintf("%v, at most %v", l.Soft, l.Hard)})
		}
	}
	return rows
}

func cgroupRows(list []Cgroup) (rows []row) {
	for _, c := range list {
		rows = append(rows, row{c.name(), c.Path})
		for _, l := range c.Limits {
			text := l.Value
			if l.Group != c.Path {
				text += ", of " + l.Group
			}
			rows = append(rows, row{"  " + l.File, text})
		}
	}
	return rows
}

func (s *Seccomp) rows() []row {
	if s == nil {
		return nil
	}
	rows := []row{{"mode", s.Mode}}
	if s.Filters != nil {
		rows = append(rows, row{"filters", fmt.Sprint(*s.Filters)})
	}
	for i, f := range s.Contents {
		rows = append(rows, f.rows(i+1)...)
	}
	return rows
}

func (l *Landlock) rows() []row {
	if l == nil {
		return nil
	}
	rows := []row{{"abi", fmt.Sprint(l.ABI)}}
	if l.ABI == 0 {
		rows[0].value = "none: this kernel has no Landlock, or it is not enabled"
	}
	if len(l.Chain) > 0 {
		rows = append(rows, row{"chain", strings.Join(l.Chain, " ")})
	}
	for _, t := range l.Probe {
		text := t.Access + ": " + t.Result
		switch {
		case t.denied():
			text += ", which the permissions allow: denied by Landlock or by another security module"
		case t.Result != t.Permission:
			text += ", by the permissions " + t.Permission
		}
		rows = append(rows, row{t.Path, text})
	}
	return append(rows, row{"domain", "not readable: no kernel tells whether a process is in one"})
}

func fdRows(list []FD) (rows []row) {
	for _, f := range list {
		text := f.Kind
		if f.Access != "" {
			text += " " + f.Access
		}
		if f.CloseOnExec {
			text += " close-on-exec"
		}
		rows = append(rows, row{fmt.Sprint(f.FD), text + "  " + f.Target})
	}
	return rows
}

func (s *Signals) rows() []row {
	if s == nil {
		return nil
	}
	return []row{{"blocked", listed(s.Blocked)}, {"ignored", listed(s.Ignored)}, {"caught", listed(s.Caught)}, {"pending", listed(s.Pending)}}
}

func (s *Session) rows() []row {
	if s == nil {
		return nil
	}
	rows := []row{{"pid", fmt.Sprint(s.PID)}, {"ppid", fmt.Sprint(s.Parent)}, {"pgrp", fmt.Sprint(s.Group)}, {"session", fmt.Sprint(s.ID)}}
	switch {
	case s.Terminal == nil:
	case *s.Terminal == "":
		rows = append(rows, row{"terminal", "none"})
	case s.Foreground:
		rows = append(rows, row{"terminal", *s.Terminal + ", in the foreground"})
	default:
		rows = append(rows, row{"terminal", *s.Terminal})
	}
	if s.ParentDeathSignal != "" {
		rows = append(rows, row{"pdeathsig", s.ParentDeathSignal})
	}
	if s.Subreaper != nil {
		rows = append(rows, row{"subreaper", yes(*s.Subreaper)})
	}
	if s.Nice != nil {
		rows = append(rows, row{"nice", fmt.Sprint(*s.Nice)})
	}
	for _, f := range []row{{"oom_score_adj", s.OOMScoreAdj}, {"label", s.Label}} {
		if f.value != "" {
			rows = append(rows, f)
		}
	}
	return rows
}

func keyringRows(list map[string]Keyring) (rows []row) {
	for _, name := range []string{"thread", "process", "session"} {
		if k, ok := list[name]; ok {
			rows = append(rows, row{name, fmt.Sprintf("%d  %s", k.Serial, k.Description)})
		}
	}
	return rows
}

func (e *Env) rows() (rows []row) {
	if e == nil {
		return nil
	}
	if e.Values == nil {
		return []row{{"names", listed(e.Names)}}
	}
	for _, name := range e.Names {
		rows = append(rows, row{name, e.Values[name]})
	}
	return rows
}
