package systemd

import (
	"slices"
	"strconv"
	"strings"

	"hk/pkg/filter"
	"hk/pkg/seccomp"

	"golang.org/x/sys/unix"
)

// filters are the stages for the filters of the unit: what is allowed, and what is logged.
// What is denied in all ways comes first, and then the calls of SystemCallFilter=: the last
// line first, because it changes what those before it say.
func (c *compiler) filters() (list []*seccomp.Filter) {
	f := &seccomp.Filter{Profile: "none", Arches: c.arches()}
	f.Rules = append(f.Rules, c.restrictions()...)
	if len(c.denied) > 0 {
		f.Rules = append(f.Rules, c.override(Assignment{}, filter.Errno(unix.EPERM), c.denied)...)
	}
	rules, byDefault := c.calls()
	f.Rules = append(f.Rules, rules...)
	if byDefault == nil {
		allow := filter.Allow
		byDefault = &allow
	}
	f.Default = byDefault
	if len(f.Rules) > 0 || len(c.given["SystemCallArchitectures"]) > 0 {
		list = append(list, f)
	}
	if l := c.logged(f.Arches); l != nil {
		list = append(list, l)
	}
	return list
}

// arches are the architectures whose calls are allowed: all that run here, unless the unit
// says which.
func (c *compiler) arches() (list []*filter.Arch) {
	native := filter.Native(c.goarch)
	words := c.words("SystemCallArchitectures")
	for _, a := range []*filter.Arch{filter.X86_64, filter.X86, filter.X32, filter.AArch64, filter.ARM} {
		if native.Runs(a) && (len(words) == 0 || a == native) {
			list = append(list, a)
		}
	}
	for _, i := range words {
		name := strings.ReplaceAll(i.word, "-", "_")
		if name == "arm64" {
			name = "aarch64"
		}
		a, err := filter.ParseArch(name)
		switch {
		case name == "native" || err == nil && slices.Contains(list, a):
		case err == nil && native.Runs(a):
			list = append(list, a)
		default:
			c.note(unsaid, i.Assignment, i.word+": no programs of this architecture run here")
		}
	}
	return list
}

// restrictions are those that hk-seccomp has by name.
func (c *compiler) restrictions() (list []filter.Override) {
	add := func(words ...string) {
		for _, w := range words {
			list = append(list, filter.Override{Restriction: w})
		}
	}
	if set, deny, a := c.addressFamilies(); a.Name != "" {
		word := strings.Join(set, "+")
		switch {
		case deny && len(set) > 0:
			add("address-families=~" + word)
		case !deny && len(set) == 0:
			add("address-families=none")
		case !deny:
			add("address-families=" + word)
		}
	}
	if c.truth("RestrictSUIDSGID", false) || c.truth("DynamicUser", false) {
		add("suid-sgid")
	}
	if c.truth("RestrictRealtime", false) {
		add("realtime")
	}
	if c.truth("MemoryDenyWriteExecute", false) {
		add("write-execute")
	}
	if c.truth("LockPersonality", false) {
		if a, ok := c.one("Personality"); ok && a.Value != unitArch(c.goarch) {
			list = append(list, c.override(a, filter.Errno(unix.EPERM), []string{"personality(arg0!=PER_LINUX32,arg0!=0xffffffff)"})...)
		} else {
			add("personality")
		}
	}
	return append(list, c.namespaceRestrictions()...)
}

// addressFamilies are the families that are allowed, or denied, and an assignment.
func (c *compiler) addressFamilies() (set []string, deny bool, at Assignment) {
	fresh := true
	for _, i := range c.words("RestrictAddressFamilies") {
		word, except := i.word, strings.HasPrefix(i.Value, "~")
		if i.Value == "none" { // which forgets those before it
			set, deny, at, fresh = nil, false, i.Assignment, false
			continue
		}
		if word = strings.TrimPrefix(word, "~"); fresh {
			deny, at, fresh = except, i.Assignment, false
		}
		if word == "" {
			continue
		}
		if _, ok := filter.Constant(word); !ok || !strings.HasPrefix(word, "AF_") {
			c.failf(i.Assignment, "unknown address family %q", word)
		}
		switch at := slices.Index(set, word); {
		case except == deny && at < 0:
			set = append(set, word)
		case except != deny && at >= 0:
			set = slices.Delete(set, at, at+1)
		}
	}
	return set, deny, at
}

// namespaces are the names of RestrictNamespaces= and what clone(2) calls them.
var namespaces = [...][2]string{
	{"cgroup", "CLONE_NEWCGROUP"}, {"ipc", "CLONE_NEWIPC"}, {"net", "CLONE_NEWNET"}, {"mnt", "CLONE_NEWNS"},
	{"pid", "CLONE_NEWPID"}, {"user", "CLONE_NEWUSER"}, {"uts", "CLONE_NEWUTS"}, {"time", "CLONE_NEWTIME"},
}

// allowedNamespaces are those that RestrictNamespaces= leaves, as bits of the indexes in
// namespaces.
func (c *compiler) allowedNamespaces() (set uint, at Assignment) {
	set, first := allNamespaces, true
	for _, a := range c.given["RestrictNamespaces"] {
		text, except := strings.CutPrefix(a.Value, "~")
		at = a
		if on, ok := parseBool(a.Value); ok {
			if set = allNamespaces; on {
				set = 0
			}
			first = !on
			continue
		}
		listed := uint(0)
		for _, w := range strings.Fields(text) {
			i := slices.Index(namespaceNames(), w)
			if i < 0 {
				c.failf(a, "unknown namespace %q", w)
				continue
			}
			listed |= 1 << i
		}
		switch {
		case except:
			set &^= listed
		case first:
			set = listed
		default:
			set |= listed
		}
		first = false
	}
	return set, at
}

const allNamespaces = uint(1<<len(namespaces) - 1)

func namespaceNames() (list []string) {
	for _, n := range namespaces {
		list = append(list, n[0])
	}
	return list
}

// namespaceRestrictions deny the namespaces that RestrictNamespaces= does not leave.
func (c *compiler) namespaceRestrictions() []filter.Override {
	set, at := c.allowedNamespaces()
	switch set {
	case allNamespaces:
		return nil
	case 0:
		return []filter.Override{{Restriction: "namespaces"}}
	}
	var unshare, clone, setns []string
	for i, n := range namespaces {
		if set>>i&1 == 0 {
			unshare = append(unshare, n[1])
			setns = append(setns, "setns(arg1&"+n[1]+")")
			if n[0] != "time" { // which clone(2) cannot create
				clone = append(clone, n[1])
			}
		}
	}
	calls := append([]string{"unshare(arg0&" + strings.Join(unshare, "|") + ")", "setns(arg1==0)"}, setns...)
	if len(clone) > 0 {
		calls = append(calls, "clone(arg0&"+strings.Join(clone, "|")+")")
	}
	if slices.Contains(clone, "CLONE_NEWNS") {
		calls = append(calls, "open_tree(arg2&OPEN_TREE_NAMESPACE)", "open_tree_attr(arg2&OPEN_TREE_NAMESPACE)", "fsmount(arg1>1)")
	}
	return append(c.override(at, filter.Errno(unix.ENOSYS), []string{"clone3"}), c.override(at, filter.Errno(unix.EPERM), calls)...)
}

// override is a rule for calls.
func (c *compiler) override(a Assignment, act filter.Action, calls []string) []filter.Override {
	o, err := filter.ParseOverride(act, strings.Join(calls, ","))
	if err != nil {
		c.fail(a, err)
		return nil
	}
	o.Action = act
	return []filter.Override{o}
}

// failing is the action of an error, as SystemCallErrorNumber= has it.
func (c *compiler) failing(a Assignment, word string) filter.Action {
	if word == "" || word == "kill" {
		return filter.KillProcess
	}
	if n, err := strconv.Atoi(word); err == nil && n > 0 && n <= 4095 {
		return filter.Errno(unix.Errno(n))
	}
	o, err := filter.ParseOverride(filter.Errno(unix.EPERM), "read:"+word)
	if err != nil {
		c.fail(a, err)
	}
	return o.Action
}

// calls are the rules of SystemCallFilter=, and what is done with all other calls.
func (c *compiler) calls() (rules []filter.Override, byDefault *filter.Action) {
	e, _ := c.one("SystemCallErrorNumber")
	failed := c.failing(e, e.Value)
	allowing := false
	for n, a := range c.given["SystemCallFilter"] {
		text, deny := strings.CutPrefix(a.Value, "~")
		if n == 0 {
			allowing = !deny
		}
		line := c.callRules(a, strings.Fields(text), deny, failed)
		rules = append(line, rules...)
	}
	if allowing {
		rules = append(rules, c.override(e, filter.Allow, []string{"@default"})...)
		byDefault = &failed
	}
	return rules, byDefault
}

// callRules are the rules of one line: one for each action.
func (c *compiler) callRules(a Assignment, words []string, deny bool, failed filter.Action) (rules []filter.Override) {
	var order []filter.Action
	calls := map[filter.Action][]string{}
	for _, w := range words {
		name, errno, has := strings.Cut(w, ":")
		act := filter.Allow
		switch {
		case deny && has:
			act = c.failing(a, errno)
		case deny:
			act = failed
		case has:
			c.failf(a, "%s: a call that is allowed has no error", w)
		}
		if _, err := filter.ParseOverride(act, name); err != nil {
			if strings.HasPrefix(name, "@") {
				c.fail(a, err)
			}
			is := unsaid
			if deny {
				is = lost
			}
			c.note(is, a, name+" is not a system call")
			continue
		}
		if calls[act] == nil {
			order = append(order, act)
		}
		calls[act] = append(calls[act], name)
	}
	for _, act := range order {
		// Of a call that is named twice, the last one counts.
		rules = append(c.override(a, act, calls[act]), rules...)
	}
	return rules
}

// logged is the filter of SystemCallLog=, or nil.
func (c *compiler) logged(arches []*filter.Arch) *seccomp.Filter {
	list := c.given["SystemCallLog"]
	if len(list) == 0 {
		return nil
	}
	f := &seccomp.Filter{Profile: "none", Arches: arches}
	byDefault := filter.Allow
	for n, a := range list {
		text, except := strings.CutPrefix(a.Value, "~")
		act := filter.Log
		if except {
			act = filter.Allow
		}
		if n == 0 && except {
			byDefault = filter.Log
		}
		f.Rules = append(c.override(a, act, strings.Fields(text)), f.Rules...)
	}
	f.Default = &byDefault
	return f
}
