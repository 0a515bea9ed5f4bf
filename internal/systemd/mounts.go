package systemd

import (
	"io/fs"
	"path"
	"slices"
	"strings"

	"hk/pkg/getopt"
	"hk/pkg/mount"
)

// A spot is what the unit asks for at one path of the new root. What is not a mount of its
// own changes the access to what is there.
type spot struct {
	target string
	// kind is the kind of a mount, or "".
	kind mount.EntryKind
	// source is that of a bind mount, and options are those of the flag.
	source, options string
	// write and exec are what the unit says about access to the path and what is below it.
	write, exec access
	// optional is set if it is skipped where the path does not exist.
	optional bool
}

// An access is allowed, denied, or as it is for the directory above.
type access uint8

const (
	inherited access = iota
	allowed
	denied
)

// A root is a root directory in the making.
type root struct {
	spots map[string]*spot
	masks map[string]bool // by target: whether it is optional
	links []mount.Entry
}

// at returns the spot of a path. It remains optional only if everybody says so.
func (r *root) at(target string, optional bool) *spot {
	s := r.spots[target]
	if s == nil {
		s = &spot{target: target, optional: true}
		r.spots[target] = s
	}
	s.optional = s.optional && optional
	return s
}

func (r *root) write(a access, optional bool, paths ...string) {
	for _, p := range paths {
		if s := r.at(p, optional); s.write == inherited || a == denied {
			s.write = a
		}
	}
}

// mask makes paths inaccessible, if they exist.
func (r *root) mask(paths ...string) {
	for _, p := range paths {
		if _, ok := r.masks[p]; !ok {
			r.masks[p] = true
		}
	}
}

// mount puts a mount at a path.
func (r *root) mount(kind mount.EntryKind, target, source, options string) *spot {
	s := r.at(target, false)
	s.kind, s.source, s.options = kind, source, options
	return s
}

// isBind reports whether a kind of mount shows a part of the host.
func isBind(kind mount.EntryKind) bool { return kind == mount.Bind || kind == mount.TryBind }

// list are the entries for hk-mount: a directory before what is in it, and then what is
// covered.
func (c *compiler) list(r *root) []mount.Entry {
	targets := make([]string, 0, len(r.spots))
	for t, s := range r.spots {
		switch {
		case t == "/":
		case r.masked(t):
			if s.kind != "" && !s.optional {
				c.notes = append(c.notes, note{unsaid, t + ": it is below a directory that is inaccessible"})
			}
		default:
			targets = append(targets, t)
		}
	}
	slices.Sort(targets)
	top := spot{target: "/", source: c.hostPath("/"), kind: mount.Bind, write: allowed, exec: allowed}
	if s := r.spots["/"]; s != nil {
		top.write, top.exec = max(s.write, allowed), max(s.exec, allowed)
	}
	ephemeral := c.truth("RootEphemeral", false)
	if ephemeral && top.exec == denied {
		top.exec = allowed
		c.note(lost, c.given["NoExecPaths"][0], "hk-mount --ephemeral has no noexec")
	}
	c.mounts.Writable, c.mounts.RootNoexec = top.write == allowed, top.exec == denied
	done := map[string]*spot{"/": &top}
	var list, late []mount.Entry
	for _, t := range targets {
		s := r.spots[t]
		above, in := nearest(done, t, false), nearest(done, t, true)
		e, needed := s.entry(above, in)
		done[t] = s
		if s.kind == "" && in.kind == mount.Tmpfs && s.exec == denied && above.exec != denied {
			c.notes = append(c.notes, note{lost, t + ": hk-mount has no noexec for a part of a tmpfs"})
		}
		if needed {
			list = append(list, e)
			if ephemeral && s.kind == "" && isBind(e.Kind) {
				c.note(lost, c.given["RootEphemeral"][0], "what is written below "+t+" remains")
			}
		}
		if s.kind != "" && s.kind != mount.Sysfs && !isBind(s.kind) && s.write == denied {
			late = append(late, mount.Entry{Kind: mount.ReadOnly, Target: t, Options: "norec"})
		}
	}
	list = slices.Concat(list, r.links, late, r.covers())
	if ephemeral && top.write == denied {
		list = append(list, mount.Entry{Kind: mount.ReadOnly, Target: "/", Options: "norec"})
	}
	return list
}

// covers are the entries for what is inaccessible.
func (r *root) covers() (list []mount.Entry) {
	masks := make([]string, 0, len(r.masks))
	for m := range r.masks {
		if !r.masked(path.Dir(m)) {
			masks = append(masks, m)
		}
	}
	slices.Sort(masks)
	for _, m := range masks {
		kind := mount.Mask
		if r.masks[m] {
			kind = mount.TryMask
		}
		list = append(list, mount.Entry{Kind: kind, Target: m})
	}
	return list
}

// masked reports whether a path is inaccessible.
func (r *root) masked(p string) bool {
	for ; ; p = path.Dir(p) {
		if _, ok := r.masks[p]; ok {
			return true
		}
		if p == "/" {
			return false
		}
	}
}

// nearest is the spot above a path, or the mount that the path is in.
func nearest(done map[string]*spot, p string, mounts bool) *spot {
	for p != "/" {
		p = path.Dir(p)
		if s := done[p]; s != nil && (!mounts || s.kind != "") {
			return s
		}
	}
	return done["/"]
}

// entry is the entry for a spot in a mount, below another spot. Where nothing changes, none
// is needed.
func (s *spot) entry(above, in *spot) (e mount.Entry, needed bool) {
	e = mount.Entry{Kind: s.kind, Source: s.source, Target: s.target, Options: s.options}
	own := s.kind != ""
	if s.exec == inherited {
		s.exec = above.exec
	}
	switch {
	case own:
		s.write = max(s.write, allowed)
	case s.write == inherited:
		s.write = above.write
	}
	if !own && s.write == above.write && s.exec == above.exec {
		return e, false
	}
	switch {
	case own && !isBind(s.kind):
		if s.kind == mount.Tmpfs && s.exec == denied {
			e.Options += ",noexec"
		}
		return e, true
	case !own && !isBind(in.kind), strings.HasPrefix(s.target, "/proc/"):
		// Of what is new there is no other place from which it could be mounted.
		e.Kind, e.Options = mount.ReadOnly, ""
		if s.optional {
			e.Kind = mount.TryMakeReadOnly
		}
		return e, s.write == denied
	case !own:
		rest := strings.TrimPrefix(strings.TrimPrefix(s.target, in.target), "/")
		e.Source = path.Join(in.source, rest)
		e.Kind = mount.Bind
		if s.optional {
			e.Kind = mount.TryBind
		}
	}
	if s.write == denied {
		e.Kind = map[mount.EntryKind]mount.EntryKind{mount.Bind: mount.ReadOnlyBind, mount.TryBind: mount.TryReadOnly}[e.Kind]
	}
	e.Options = strings.TrimPrefix(e.Options+",suid,dev", ",")
	if s.exec == denied {
		e.Options += ",noexec"
	}
	return e, true
}

// hostPath is the path outside of one in the root of the service.
func (c *compiler) hostPath(p string) string { return path.Join("/", c.rootDir, p) }

// exists reports whether a path exists in the root of the service.
func (c *compiler) exists(p string) bool {
	_, err := fs.Stat(c.files, strings.TrimPrefix(c.hostPath(p), "/"))
	return p == "/" || err == nil
}

// A place is a path of a directive.
type place struct {
	item
	path     string
	optional bool
}

// places are the paths of a directive, which may begin with - and +.
func (c *compiler) places(name string) (list []place) {
	for _, i := range c.words(name) {
		p, optional := strings.CutPrefix(i.word, "-")
		p = strings.TrimPrefix(p, "+")
		if !path.IsAbs(p) || slices.Contains(strings.Split(p, "/"), "..") {
			c.failf(i.Assignment, "%q is not an absolute path without ..", i.word)
			continue
		}
		list = append(list, place{i, path.Clean(p), optional})
	}
	return list
}

// accessPaths adds ReadWritePaths= and the others.
func (c *compiler) accessPaths(r *root) {
	for _, p := range c.places("ReadWritePaths") {
		r.write(allowed, p.optional, p.path)
	}
	for _, p := range c.places("ReadOnlyPaths") {
		r.write(denied, p.optional, p.path)
	}
	for _, p := range c.places("ExecPaths") {
		r.at(p.path, p.optional).exec = allowed
	}
	for _, p := range c.places("NoExecPaths") {
		r.at(p.path, p.optional).exec = denied
	}
	for _, p := range c.places("InaccessiblePaths") {
		if p.path == "/" {
			c.failf(p.Assignment, "the root itself would be inaccessible")
			continue
		}
		optional, before := r.masks[p.path]
		r.masks[p.path] = p.optional && (optional || !before)
	}
}

// binds adds BindPaths= and BindReadOnlyPaths=.
func (c *compiler) binds(r *root) {
	for _, name := range []string{"BindPaths", "BindReadOnlyPaths"} {
		for _, i := range c.words(name) {
			word, optional := strings.CutPrefix(i.word, "-")
			f := getopt.Value(word).Split(':')
			source := f[0].Text()
			target, options := source, ""
			if len(f) > 1 && f[1] != "" {
				target = f[1].Text()
			}
			switch {
			case len(f) > 3 || !path.IsAbs(source) || !path.IsAbs(target) || path.Clean(target) == "/":
				c.failf(i.Assignment, "%q is not SOURCE[:TARGET[:OPTIONS]]", i.word)
				continue
			case len(f) < 3 || f[2] == "rbind":
			case f[2] == "norbind":
				options = "norec"
			default:
				c.note(lost, i.Assignment, "option "+f[2].Text()+": hk-mount can map IDs for all mounts of a chain only")
			}
			kind := mount.Bind
			if optional {
				kind = mount.TryBind
			}
			s := r.mount(kind, path.Clean(target), source, options)
			if name == "BindReadOnlyPaths" {
				s.write = denied
			}
			s.write = max(s.write, allowed) // ReadOnlyPaths= of the same path counts, too
			c.creates = c.creates || !optional && !c.exists(s.target)
		}
	}
}

// tmpfs adds TemporaryFileSystem=.
func (c *compiler) tmpfs(r *root) {
	for _, i := range c.words("TemporaryFileSystem") {
		target, text, _ := strings.Cut(i.word, ":")
		if !path.IsAbs(target) || path.Clean(target) == "/" {
			c.failf(i.Assignment, "%q is not an absolute path below /", target)
			continue
		}
		options, mode := []string{}, "mode=0755"
		for _, o := range strings.Split(text, ",") {
			name, value, _ := strings.Cut(o, "=")
			switch {
			case o == "":
			case name == "mode":
				mode = o
			case name == "size" && strings.HasSuffix(value, "%"):
				n, err := c.share(value)
				if err != nil {
					c.fail(i.Assignment, err)
				}
				options = append(options, "size="+decimal(n))
			case slices.Contains([]string{"size", "nr_blocks", "nr_inodes", "uid", "gid", "huge", "mpol", "ro", "rw", "nosuid", "suid", "nodev", "dev", "noexec", "exec", "noatime", "relatime", "strictatime", "nodiratime", "nosymfollow", "noswap", "inode32", "inode64"}, name):
				options = append(options, o)
			default:
				c.note(lost, i.Assignment, "option "+o+": hk-mount does not have it for a tmpfs")
			}
		}
		options = append(options, mode)
		s := r.mount(mount.Tmpfs, path.Clean(target), "", strings.Join(options, ","))
		c.creates = c.creates || !c.exists(s.target)
	}
}
