package test

import (
	"path"
	"slices"
	"strconv"
	"strings"
)

// A guarded name is a --protect flag.
type guarded struct {
	target string
	deny   bool
}

// begin makes the root that flags determine, and takes those of its options.
func (m *treeModel) begin(kind string, options []string) error {
	nosuidNodev := attrSet{"nosuid", "nodev"}.with()
	kind, dir, _ := strings.Cut(kind, " ")
	tmpfs := ""
	for _, o := range options {
		name, value, _ := strings.Cut(o, " ")
		switch name {
		case "--create":
			m.create = true
		case "--writable-root":
			m.writable = true
		case "--root-tmpfs":
			tmpfs = value
		case "how":
			m.chain = m.chain || value == "chain"
		}
	}
	m.inPlace = kind == "--in-place"
	switch kind {
	case "":
		m.root = m.newTmpfs("mode=755,"+tmpfs, nosuidNodev)
	case "--ephemeral":
		opts := m.newTmpfs(tmpfs, nosuidNodev)
		m.root = &treeMount{root: overlaid(m.host[dir]), kind: "overlay", attrs: opts.attrs, creates: inMemory, change: true}
	default:
		m.root = &treeMount{root: m.host[dir], kind: m.facts.kind, attrs: m.facts.attrs.with(nosuidNodev...)}
		if m.create {
			m.root.creates = onHost
		}
	}
	m.root.on = map[*treeNode]*treeMount{}
	return nil
}

// end does what is done after all flags.
func (m *treeModel) end(kind string) error {
	m.root.finish()
	final := m.readOnlyRoot || !m.writable && (kind == "" || strings.HasPrefix(kind, "--root "))
	if err := m.protectAll(final); err != nil {
		return err
	}
	if final {
		m.root.attrs = m.root.attrs.with("ro")
	}
	return nil
}

// attrOptions applies options that are attributes, and returns the others.
func attrOptions(options string, attrs attrSet) (attrSet, []string) {
	var rest []string
	for _, o := range strings.Split(options, ",") {
		switch o {
		case "":
		case "ro", "nosuid", "nodev", "noexec", "noatime", "nosymfollow":
			attrs = attrs.with(o)
		case "rw":
			attrs = attrs.without("ro")
		case "suid", "dev", "exec":
			attrs = attrs.without("no" + o)
		default:
			rest = append(rest, o)
		}
	}
	return attrs, rest
}

// newTmpfs is a tmpfs with options.
func (m *treeModel) newTmpfs(options string, attrs attrSet) *treeMount {
	attrs, rest := attrOptions(options, attrs)
	t := &treeMount{root: newDirNode(0o1777), kind: "tmpfs", attrs: attrs, creates: inMemory, own: true}
	for _, o := range rest {
		switch key, value, _ := strings.Cut(o, "="); key {
		case "mode":
			mode, _ := strconv.ParseUint(value, 8, 32)
			t.root.mode = uint32(mode)
		case "size":
			t.limits = map[string]string{"64k": "size=64k", "1m": "size=1024k"}[value]
		}
	}
	return t
}

// apply does what a flag says.
func (m *treeModel) apply(flag string) error {
	kind, value, _ := strings.Cut(flag, " ")
	f := strings.SplitN(value, ":", 3)
	f = append(f, "", "")
	switch kind {
	case "how", "--create", "--writable-root", "--root-tmpfs":
		return nil
	case "--ro", "--rw", "--dev-bind", "--try-ro", "--try-rw":
		return m.bind(kind, f[0], f[1], f[2])
	case "--rootfs":
		return m.rootfs(value)
	case "--tmpfs":
		return m.tmpfs(f[0], f[1])
	case "--tmp-overlay", "--overlay", "--ro-overlay":
		return m.overlay(kind, value)
	case "--proc":
		return m.mount(f[0], &treeMount{root: newDirNode(0o555), kind: "proc", attrs: attrSet{"nodev", "noexec", "nosuid"}, opaque: true})
	case "--dev":
		return m.dev(f[0], f[1])
	case "--mask", "--try-mask":
		return skipped(kind, m.mask(value))
	case "--read-only", "--try-read-only":
		return skipped(kind, m.readOnly(f[0], f[1]))
	case "--dir":
		return m.dir(f[0], f[1])
	case "--chmod":
		return m.chmod(f[0], f[1])
	case "--file":
		target, text, _ := strings.Cut(value, "=")
		target, mode, _ := strings.Cut(target, ":")
		return m.file(target, mode, text)
	case "--symlink":
		return m.symlink(f[0], f[1])
	case "--protect":
		m.either = m.either || m.inPlace && m.chain
		m.protects = append(m.protects, guarded{f[0], f[1] != "ro"})
		return nil
	}
	panic(flag)
}

func skipped(kind string, err error) error {
	if err == errMissing && strings.HasPrefix(kind, "--try-") {
		return nil
	}
	return err
}

// source is a file of the host, as it was when the plan was made.
func (m *treeModel) source(name string) *treeNode {
	todo := strings.Split(name, "/")
	way := []*treeNode{m.host[todo[0]]}
	for todo = todo[1:]; len(todo) > 0; {
		name := todo[0]
		todo = todo[1:]
		last := way[len(way)-1]
		switch next := last.names[name]; {
		case last.kind != 'd' || name == ".." && len(way) == 1:
			return nil
		case name == "" || name == ".":
		case name == "..":
			way = way[:len(way)-1]
		case next == nil || next.made || next.kind == 'l' && strings.HasPrefix(next.text, "/"):
			return nil
		case next.kind == 'l':
			todo = append(strings.Split(next.text, "/"), todo...)
		default:
			way = append(way, next)
		}
	}
	return way[len(way)-1]
}

func (m *treeModel) bind(kind, source, target, options string) error {
	n := m.source(source)
	if n == nil {
		if strings.HasPrefix(kind, "--try-") {
			return nil
		}
		return errModel
	}
	set := attrSet{"nosuid", "nodev"}
	switch strings.TrimPrefix(kind, "--try-") {
	case "--ro", "ro":
		set = set.with("ro")
	case "--dev-bind":
		set = set.without("nodev")
	}
	set, _ = attrOptions(options, set)
	mt := &treeMount{root: n, kind: m.facts.kind, attrs: m.facts.attrs.with(set...)}
	if m.create && !set.has("ro") {
		mt.creates = onHost
	}
	return m.mount(target, mt)
}

func (m *treeModel) rootfs(source string) error {
	dir := m.host[source]
	var names []string
	for name, n := range dir.names {
		if !n.made && name != "proc" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		var err error
		switch dir.names[name].kind {
		case 'd':
			err = m.bind("--ro", source+"/"+name, "/"+name, "")
		case 'l':
			err = m.symlink(dir.names[name].text, "/"+name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *treeModel) tmpfs(target, options string) error {
	t := m.newTmpfs(options, attrSet{"nosuid", "nodev"})
	if t.attrs.has("ro") {
		if m.inPlace {
			t.creates, t.own = nowhere, false
		} else {
			t.attrs, t.late = t.attrs.without("ro"), true
		}
	}
	return m.mount(target, t)
}

func (m *treeModel) overlay(kind, value string) error {
	target, options, _ := strings.Cut(value, ":")
	mt := &treeMount{kind: "overlay", attrs: attrSet{"nosuid", "nodev"}}
	var lower []*treeNode
	if kind == "--tmp-overlay" && !strings.HasPrefix(options, "lower=") {
		lower = []*treeNode{m.host[target]}
		target, options, _ = strings.Cut(options, ":")
	}
	var rest []string
	for _, o := range strings.Split(options, ",") {
		key, dirs, _ := strings.Cut(o, "=")
		switch key {
		case "lower":
			for _, dir := range strings.Split(dirs, ":") {
				lower = append(lower, m.host[dir])
			}
		case "upper", "work":
		default:
			rest = append(rest, o)
		}
	}
	mt.attrs, _ = attrOptions(strings.Join(rest, ","), mt.attrs)
	mt.root = overlaid(lower...)
	mt.unknown = len(lower) > 1 || kind != "--tmp-overlay"
	if kind == "--overlay" { // the top is the upper directory
		if mt.root.mode = m.host["up"].mode; m.host["up"].made {
			return errUnsaid
		}
		m.host["up"].made = true
	}
	switch {
	case kind == "--tmp-overlay":
		mt.creates = inMemory
	case kind == "--ro-overlay":
		mt.attrs = mt.attrs.with("ro")
	case m.create:
		mt.creates = onHost
	}
	return m.mount(target, mt)
}

func (m *treeModel) dev(target, options string) error {
	attrs := attrSet{"nosuid", "noexec"}
	late := false
	for _, o := range strings.Split(options, ",") {
		switch o {
		case "exec":
			attrs = attrs.without("noexec")
		case "ro":
			late = true
			m.either = m.either || m.inPlace && m.chain
		}
	}
	d := &treeMount{root: newDirNode(0o755), kind: "tmpfs", attrs: attrs, creates: inMemory, own: true, late: late, on: map[*treeNode]*treeMount{}}
	if err := m.mount(target, d); err != nil {
		return err
	}
	put := func(name string, n *treeNode, on *treeMount) {
		d.root.names[name], n.made = n, n.kind != 'f'
		if on != nil {
			on.on = map[*treeNode]*treeMount{}
			d.on[n] = on
		}
	}
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		put(name, &treeNode{kind: 'f', mode: 0o444}, m.device(name, attrs))
	}
	for name, to := range map[string]string{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1",
		"stderr": "/proc/self/fd/2", "core": "/proc/kcore", "ptmx": "pts/ptmx"} {
		put(name, &treeNode{kind: 'l', text: to}, nil)
	}
	put("pts", newDirNode(0o755), &treeMount{root: newDirNode(0o755), kind: "devpts", attrs: attrs.with("noexec"), opaque: true})
	put("shm", newDirNode(0o755), &treeMount{root: newDirNode(0o1777), kind: "tmpfs", attrs: attrs.with("nodev"), creates: inMemory, own: true})
	return nil
}

func (m *treeModel) device(name string, attrs attrSet) *treeMount {
	return &treeMount{root: &treeNode{kind: 'c', text: name}, kind: "device", attrs: m.facts.null.with(attrs...)}
}

func (m *treeModel) cover(isDir bool, mode uint32) *treeMount {
	attrs := attrSet{"nodev", "noexec", "nosuid", "ro"}
	if isDir {
		return &treeMount{root: newDirNode(mode), kind: "tmpfs", limits: "nr_inodes=1", attrs: attrs, masked: true, on: map[*treeNode]*treeMount{}}
	}
	d := m.device("null", attrs)
	d.masked, d.on = true, map[*treeNode]*treeMount{}
	return d
}

func (m *treeModel) mask(target string) error {
	r, err := m.find(target, true, false)
	at := r.last().in
	switch {
	case at.masked && at.root.kind == 'd' && err != errUnsaid, at.masked && err == nil:
		return nil
	case err == nil && r.isRoot():
		return errModel
	case (err != nil || r.missing()) && at.unknown:
		return errModel
	case err != nil:
		return err
	case r.missing():
		return errMissing
	case at.unknown && !r.last().isMountRoot():
		return errModel
	}
	p := r.last()
	p.in.on[p.at] = m.cover(p.at.kind == 'd', 0)
	return nil
}

func (m *treeModel) readOnly(target, options string) error {
	r, err := m.find(target, true, false)
	switch {
	case (err != nil || r.missing()) && r.last().in.unknown:
		return errModel
	case err != nil:
		return err
	case r.isRoot() && options == "norec" && !m.inPlace:
		m.readOnlyRoot = true
		return nil
	case r.isRoot():
		return errModel
	case r.missing():
		return errMissing
	}
	m.seal(r.last(), options != "norec")
	return nil
}

func (m *treeModel) seal(p treePlace, all bool) {
	p.at.walk(func(n *treeNode) {
		if on := p.in.on[n]; on != nil {
			on.finish()
		}
	})
	if p.isMountRoot() && p.in.late {
		p.in.attrs, p.in.late = p.in.attrs.with("ro"), false
	}
	c := p.clone()
	if all {
		c.each(func(on *treeMount) { on.attrs = on.attrs.with("ro") })
	}
	c.attrs = c.attrs.with("ro")
	p.in.on[p.at] = c
}

func octal(mode string, otherwise uint32) uint32 {
	if mode == "" {
		return otherwise
	}
	n, _ := strconv.ParseUint(mode, 8, 32)
	return uint32(n)
}

func (m *treeModel) dir(target, mode string) error {
	r, err := m.find(target, true, true)
	if err != nil {
		return err
	}
	at := r.last()
	switch {
	case r.missing():
		_, err = m.add(r, r.name, newDirNode(octal(mode, 0o755)))
		return err
	case at.at.kind != 'd':
		return errModel
	case mode == "":
		return nil
	case at.in.own:
		at.at.mode = octal(mode, 0)
		return nil
	}
	return errModel
}

func (m *treeModel) chmod(target, mode string) error {
	r, err := m.find(target, true, false)
	if err != nil || r.missing() {
		return errModel
	}
	at := r.last()
	if !at.in.change && !(at.in.own && (at.at.kind == 'd' || at.at.made)) {
		return errModel
	}
	at.at.mode, at.at.change = octal(mode, 0), true
	return nil
}

func (m *treeModel) file(target, mode, text string) error {
	r, err := m.find(target, false, true)
	if err != nil {
		return err
	}
	if r.link != nil && !r.link.made { // what it leads to is covered
		if r, err = m.find(target, true, false); err != nil {
			return errModel
		}
		if r.missing() {
			return errModel
		}
	}
	n := &treeNode{kind: 'f', mode: octal(mode, 0o644), text: text}
	if r.missing() {
		_, err = m.add(r, r.name, n)
		return err
	}
	at := r.last()
	if r.link != nil || at.at.kind == 'd' || at.at.made || at.in.masked || at.in.unknown && !at.isMountRoot() || r.isRoot() {
		return errModel
	}
	m.either = m.either || m.inPlace && m.chain // this needs a mount namespace of the same chain
	at.in.on[at.at] = &treeMount{root: n, kind: "tmpfs", attrs: attrSet{"nodev", "nosuid", "ro"}, on: map[*treeNode]*treeMount{}}
	return nil
}

func (m *treeModel) symlink(to, target string) error {
	r, err := m.find(target, false, true)
	switch {
	case err != nil:
		return err
	case r.link != nil && r.link.text == to && !(r.last().in.unknown && r.last().in.creates == nowhere):
		return nil
	case r.missing():
		_, err = m.add(r, r.name, &treeNode{kind: 'l', text: to})
		return err
	}
	return errModel
}

// protectAll applies the --protect flags, parents first. final says that the root is to
// become read-only.
func (m *treeModel) protectAll(final bool) error {
	ways := map[string]guarded{}
	for _, p := range m.protects {
		at, err := m.protectedPath(&p)
		if err != nil {
			return err
		}
		if was, ok := ways[at]; ok {
			p.deny = p.deny || was.deny
		}
		ways[at] = p
	}
	var done []string
	for _, at := range slices.Sorted(func(yield func(string) bool) {
		for k := range ways {
			if !yield(k) {
				return
			}
		}
	}) {
		if slices.ContainsFunc(done, func(d string) bool { return strings.HasPrefix(at, d+"/") && ways[d].deny }) {
			continue
		}
		done = append(done, at)
		r, err := m.find(at, true, false)
		if err != nil {
			return err
		}
		where := r.last()
		switch {
		case r.missing():
			if where.in.attrs.has("ro") || final && where.in == m.root {
				continue
			}
			n := newDirNode(0o1555)
			where.at.names[r.name] = n
			m.gone = append(m.gone, func() {
				if len(n.names) == 0 { // by another bind mount something can come into being
					delete(where.at.names, r.name)
				}
			})
			where.in.on[n] = m.cover(true, 0o555)
		case ways[at].deny:
			where.in.on[where.at] = m.cover(where.at.kind == 'd', 0)
		default:
			m.seal(where, true)
		}
	}
	return nil
}

// protectedPath is the path without links of what a flag protects: the first name that
// is missing, or a file where a directory should be.
func (m *treeModel) protectedPath(p *guarded) (string, error) {
	at, todo := "/", strings.Split(path.Clean(p.target)[1:], "/")
	for links := 0; len(todo) > 0; {
		name := todo[0]
		todo = todo[1:]
		if name == "" || name == "." {
			continue
		}
		next := path.Join(at, name)
		r, err := m.find(next, false, false)
		if err != nil {
			return "", err
		}
		switch in := r.last(); {
		case in.in.unknown && !(r.name == "" && in.isMountRoot()):
			return "", errModel
		case r.link != nil:
			if links++; links > 40 {
				return "", errModel
			}
			if strings.HasPrefix(r.link.text, "/") {
				at = "/"
			}
			todo = append(strings.Split(r.link.text, "/"), todo...)
			continue
		case r.missing():
			return next, nil
		case in.at.kind != 'd' && len(todo) > 0:
			p.deny = false
			return next, nil
		}
		at = next
	}
	if at == "/" {
		return "", errModel
	}
	return at, nil
}
