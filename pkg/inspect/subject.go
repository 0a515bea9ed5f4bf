package inspect

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"hk/pkg/host"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// A subject is what an assertion can be about.
type subject struct {
	key, section string
	// named is set if a dot or a colon and a name follow.
	named byte
	// operators are those that it has; "" is none.
	operators []string
	// check checks the value.
	check func(a *assertion) error
	// holds reports whether it holds, and otherwise what is the case. An error says why that
	// cannot be told.
	holds func(a *assertion, r *Report) (ok bool, is string, err error)
}

var (
	equality = []string{"=", "!="}
	ordering = []string{"=", "!=", "<=", ">=", "<", ">"}
)

// subjects are all of them. It is a function so that a start does not make the table.
func subjects() []subject {
	return []subject{
		{"uid", "ids", 0, ordering, isNumber, uidHolds},
		{"gid", "ids", 0, ordering, isNumber, uidHolds},
		{"groups", "ids", 0, equality, isNumbers, groupsHold},
		{"caps", "caps", 0, []string{"=", "!=", "<=", ">="}, isCaps, capsHold},
		{"caps", "caps", '.', []string{"=", "!=", "<=", ">="}, isCapSet, capsHold},
		{"securebits", "caps", 0, equality, isSecurebits, securebitsHold},
		{"no-new-privs", "caps", 0, []string{""}, nil, noNewPrivsHolds},
		{"seccomp", "seccomp", 0, append([]string{""}, ordering...), isNumber, seccompHolds},
		{"ns", "namespaces", '.', equality, isNamespace, namespaceHolds},
		{"mount", "mounts", ':', []string{"", "="}, isPath, mountHolds},
		{"mounts", "mounts", ':', []string{"="}, isPath, mountsHold},
		{"root", "root", 0, equality, isDirectory, textHolds},
		{"cwd", "root", 0, equality, isDirectory, textHolds},
		{"umask", "root", 0, equality, isUmask, textHolds},
		{"limit", "limits", '.', ordering, isLimit, limitHolds},
		{"fd", "fds", 0, ordering, isNumber, fdsHold},
		{"ignored", "signals", '.', []string{""}, isSignal, signalHolds},
		{"blocked", "signals", '.', []string{""}, isSignal, signalHolds},
		{"terminal", "session", 0, []string{""}, nil, terminalHolds},
		{"env", "env", '.', []string{""}, nil, envHolds},
	}
}

// compareNumber compares by the operator.
func (a *assertion) compareNumber(n, with uint64) bool {
	switch a.operator {
	case "=":
		return n == with
	case "!=":
		return n != with
	case "<=":
		return n <= with
	case ">=":
		return n >= with
	case "<":
		return n < with
	}
	return n > with
}

// number is the value, which was checked.
func (a *assertion) number() uint64 {
	n, _ := strconv.ParseUint(a.value, 10, 64)
	return n
}

func isNumber(a *assertion) error {
	if _, err := strconv.ParseUint(a.value, 10, 32); err != nil && a.operator != "" {
		return fmt.Errorf("%q is not a number", a.value)
	}
	return nil
}

// all reports whether each of the numbers compares, and otherwise names those that do not.
func (a *assertion) all(list []uint32) (bool, string) {
	var others []string
	for _, n := range list {
		if !a.compareNumber(uint64(n), a.number()) && !slices.Contains(others, fmt.Sprint(n)) {
			others = append(others, fmt.Sprint(n))
		}
	}
	return len(others) == 0, "there is " + strings.Join(others, ", ")
}

// uidHolds is about the real, the effective, the saved and the file system ID.
func uidHolds(a *assertion, r *Report) (bool, string, error) {
	set := r.IDs.UID
	if a.key == "gid" {
		set = r.IDs.GID
	}
	ok, _ := a.all([]uint32{set.Real, set.Effective, set.Saved, set.FileSystem})
	return ok, fmt.Sprintf("%s is %v", a.key, set), nil
}

func isNumbers(a *assertion) error {
	if a.value == "none" {
		return nil
	}
	words := strings.Split(a.value, ",")
	for i, w := range words {
		n, err := strconv.ParseUint(w, 10, 32)
		if err != nil {
			return fmt.Errorf("%q is not none or a list of group IDs", a.value)
		}
		words[i] = fmt.Sprint(n) // without leading zeros
	}
	a.value = strings.Join(words, ",")
	return nil
}

func groupsHold(a *assertion, r *Report) (bool, string, error) {
	have := make([]string, 0, len(r.IDs.Groups))
	for _, g := range r.IDs.Groups {
		have = append(have, fmt.Sprint(g))
	}
	ok := equalLists(a.value, have) == (a.operator == "=")
	return ok, "groups: " + listed(have), nil
}

func isCaps(a *assertion) error {
	_, err := parseCaps(a.value, 63)
	return err
}

func isCapSet(a *assertion) error {
	for _, n := range setNames {
		if n[1] == a.name {
			return isCaps(a)
		}
	}
	return fmt.Errorf("%q is not permitted, effective, inheritable, bounding or ambient", a.name)
}

// parseCaps parses none, all, or a list of capabilities.
func parseCaps(text string, last int) (set uint64, err error) {
	switch text {
	case "none":
		return 0, nil
	case "all":
		return ^uint64(0) >> (63 - last), nil
	}
words:
	for _, w := range strings.Split(text, ",") {
		name := strings.ToUpper(w)
		if !strings.HasPrefix(name, "CAP_") {
			name = "CAP_" + name
		}
		for c := range 64 {
			if plan.CapName(c) == name {
				set |= 1 << c
				continue words
			}
		}
		return 0, fmt.Errorf("unknown capability %q", w)
	}
	return set, nil
}

// capsHold is about one set, or about what is in any of them.
func capsHold(a *assertion, r *Report) (bool, string, error) {
	var have uint64
	where := "one of the sets has"
	for i, name := range setNames {
		if a.name == "" || a.name == name[1] {
			have |= r.Caps.sets[i]
		}
	}
	if a.name != "" {
		where = a.name + " is"
	}
	want, err := parseCaps(a.value, r.Caps.last)
	if err != nil {
		return false, "", err
	}
	ok := map[string]bool{"=": have == want, "!=": have != want, "<=": have&^want == 0, ">=": want&^have == 0}[a.operator]
	return ok, where + " " + listed(capNames(have)), nil
}

func securebitsHold(a *assertion, r *Report) (bool, string, error) {
	return equalLists(a.value, *r.Caps.Securebits) == (a.operator == "="), "securebits: " + listed(*r.Caps.Securebits), nil
}

func noNewPrivsHolds(_ *assertion, r *Report) (bool, string, error) {
	return r.Caps.NoNewPrivs, "no_new_privs: " + yes(r.Caps.NoNewPrivs), nil
}

// seccompHolds is about whether there is a filter, or how many there are.
func seccompHolds(a *assertion, r *Report) (bool, string, error) {
	if a.operator == "" {
		return r.Seccomp.Mode != "none", "the mode is " + r.Seccomp.Mode, nil
	}
	if r.Seccomp.Filters == nil {
		return false, "", errors.New(r.Unreadable["seccomp.filters"])
	}
	n := *r.Seccomp.Filters
	return a.compareNumber(uint64(n), a.number()), fmt.Sprintf("the number of filters is %d", n), nil
}

func isNamespace(a *assertion) error {
	if !slices.ContainsFunc(host.NamespaceTypes[:], func(t struct {
		Name string
		Flag uint64
	}) bool {
		return t.Name == a.name
	}) {
		return fmt.Errorf("%q is not cgroup, ipc, mnt, net, pid, time, user or uts", a.name)
	}
	if _, err := strconv.ParseUint(a.value, 10, 64); err != nil && a.value != "host" && a.value != "caller" {
		return fmt.Errorf("%q is not host, caller or the number of a namespace", a.value)
	}
	return nil
}

// namespaceHolds compares with the machine's namespace, with the caller's, or with a number.
// Another one than the host's is, in a chain, another one than the caller's too: the caller
// may be in a container.
func namespaceHolds(a *assertion, r *Report) (bool, string, error) {
	n, ok := r.Namespaces[a.name]
	if !ok {
		return false, "", errors.New(r.Unreadable["namespaces."+a.name])
	}
	is := fmt.Sprintf("%s is %d", a.name, n.ID)
	relation := map[string]string{"host": n.Host, "caller": n.Caller}[a.value]
	switch {
	case relation == "":
		return (a.number() == n.ID) == (a.operator == "="), is, nil
	case a.operator == "!=" && a.value == "host" && n.inChain && n.Caller == "same":
		return false, is + ", which is that of the caller", nil
	case a.operator == "!=" && a.value == "host" && n.inChain && n.Caller == "other" && n.Host == "unknown":
		return true, is, nil // not even a chain that shares it would have this one
	case relation == "unknown":
		return false, "", fmt.Errorf("the number of the %s's is not known here", map[string]string{"host": "machine", "caller": "caller"}[a.value])
	}
	same := relation == "same"
	says := map[bool]string{true: ", which is that of the ", false: ", which is not that of the "}[same]
	return same == (a.operator == "="), is + says + a.value, nil
}

func isPath(a *assertion) error {
	if !strings.HasPrefix(a.name, "/") || slices.Contains(strings.Split(a.name, "/"), "..") {
		return fmt.Errorf("%q is not an absolute path without ..", a.name)
	}
	if a.operator != "" && slices.Contains(strings.Split(a.value, ","), "") {
		return errors.New("an empty option")
	}
	a.name = path.Clean(a.name)
	return nil
}

// mountHolds is about whether something is mounted on a path, or about the mount that the
// path leads to.
func mountHolds(a *assertion, r *Report) (bool, string, error) {
	if why := r.followed[a.name]; why != "" {
		return false, "", errors.New(why)
	}
	m := mountAt(r.Mounts, a.name)
	if a.operator == "" {
		ok := m != nil && m.At == a.name
		return ok, map[bool]string{true: "it is a mount point", false: "it is not a mount point"}[ok], nil
	}
	if m == nil {
		return false, "nothing is mounted there", nil
	}
	missing := m.lacks(a.value)
	return missing == "", fmt.Sprintf("%s is in the mount on %s, %s %s, which is not %s", a.name, m.At, m.Type, strings.Join(m.Options, ","), missing), nil
}

// mountsHold is about that mount and all that are visible below the path.
func mountsHold(a *assertion, r *Report) (bool, string, error) {
	if ok, is, err := mountHolds(a, r); !ok || err != nil {
		return ok, is, err
	}
	for _, m := range r.Mounts {
		if missing := m.lacks(a.value); !m.Hidden && below(m.At, a.name) && missing != "" {
			return false, fmt.Sprintf("the mount on %s, %s %s, is not %s", m.At, m.Type, strings.Join(m.Options, ","), missing), nil
		}
	}
	return true, "", nil
}

// lacks is the first of a list of options that the mount does not have, or "".
func (m *Mount) lacks(options string) string {
	for _, o := range strings.Split(options, ",") {
		if !m.has(o) {
			return o
		}
	}
	return ""
}

func isUmask(a *assertion) error {
	n, err := strconv.ParseUint(a.value, 8, 9)
	a.value = fmt.Sprintf("%03o", n)
	if err != nil {
		return fmt.Errorf("%q is not a file mode creation mask", a.value)
	}
	return nil
}

func textHolds(a *assertion, r *Report) (bool, string, error) {
	have := map[string]string{"root": r.Root.Root, "cwd": r.Root.Directory, "umask": r.Root.Umask}[a.key]
	return (have == a.value) == (a.operator == "="), fmt.Sprintf("%s is %s", a.key, have), nil
}

func isLimit(a *assertion) error {
	for _, res := range resources {
		if res.name == a.name {
			_, err := parseLimit(a.value)
			return err
		}
	}
	return fmt.Errorf("%q is not a limit of hk-limit(1)", a.name)
}

// parseLimit parses unlimited, or a number that may have K, M, G or T after it.
func parseLimit(text string) (uint64, error) {
	if text == "unlimited" {
		return unix.RLIM_INFINITY, nil
	}
	number, shift := text, 0
	for i, unit := range []string{"K", "M", "G", "T"} {
		if before, ok := strings.CutSuffix(text, unit); ok {
			number, shift = before, 10*(i+1)
		}
	}
	n, err := strconv.ParseUint(number, 10, 63-shift)
	if err != nil {
		return 0, fmt.Errorf("%q is not a limit", text)
	}
	return n << shift, nil
}

// limitHolds is about the soft and the hard limit: each must compare.
func limitHolds(a *assertion, r *Report) (bool, string, error) {
	want, err := parseLimit(a.value)
	if err != nil {
		return false, "", err
	}
	l := r.Limits[a.name]
	ok := a.compareNumber(uint64(l.Soft), want) && a.compareNumber(uint64(l.Hard), want)
	return ok, fmt.Sprintf("the soft limit is %v, the hard limit %v", l.Soft, l.Hard), nil
}

// fdsHold is about the number of each open descriptor.
func fdsHold(a *assertion, r *Report) (bool, string, error) {
	for what := range r.Unreadable {
		if strings.HasPrefix(what, "fds.") {
			return false, "", errors.New(r.Unreadable[what])
		}
	}
	for _, f := range r.FDs {
		if !a.compareNumber(uint64(f.FD), a.number()) {
			return false, strings.TrimRight(fmt.Sprintf("%d is open: %s %s", f.FD, f.Kind, f.Target), " "), nil
		}
	}
	return true, "", nil
}

func isSignal(a *assertion) error {
	a.name = strings.TrimPrefix(strings.ToUpper(a.name), "SIG")
	if !slices.Contains(signals(^uint64(0)), a.name) {
		return fmt.Errorf("%q is not a signal", a.name)
	}
	return nil
}

func signalHolds(a *assertion, r *Report) (bool, string, error) {
	list := r.Signals.Ignored
	if a.key == "blocked" {
		list = r.Signals.Blocked
	}
	return slices.Contains(list, a.name), fmt.Sprintf("%s: %s", a.key, listed(list)), nil
}

func terminalHolds(_ *assertion, r *Report) (bool, string, error) {
	if *r.Session.Terminal == "" {
		return false, "there is no controlling terminal", nil
	}
	return true, "the controlling terminal is " + *r.Session.Terminal, nil
}

func envHolds(a *assertion, r *Report) (bool, string, error) {
	ok := slices.Contains(r.Env.Names, a.name)
	return ok, map[bool]string{true: "it is set", false: "it is not set"}[ok], nil
}
