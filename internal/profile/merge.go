package profile

import "cmp"

// merge puts what included files have before what the file has. A network is that of the
// file, or of the last included file that has one.
func (p *Profile) merge(included []*Shared) {
	if len(included) == 0 {
		return
	}
	all := &Shared{}
	for _, s := range append(included, &p.Shared) {
		all.add(s)
	}
	p.Shared = *all
}

func (all *Shared) add(s *Shared) {
	all.Namespaces = append(all.Namespaces, s.Namespaces...)
	all.Mounts = append(all.Mounts, s.Mounts...)
	all.Envs = append(all.Envs, s.Envs...)
	if s.Network != nil {
		all.Network = s.Network
	}
	if f := s.Filesystem; f != nil {
		if all.Filesystem == nil {
			all.Filesystem = &Filesystem{}
		}
		to := all.Filesystem
		to.Files = append(to.Files, f.Files...)
		to.Dirs = append(to.Dirs, f.Dirs...)
		to.Symlinks = append(to.Symlinks, f.Symlinks...)
		to.Protect = append(to.Protect, f.Protect...)
		to.Masks = append(to.Masks, f.Masks...)
		to.ReadOnly = append(to.ReadOnly, f.ReadOnly...)
	}
	if s.Landlock != nil {
		if all.Landlock == nil {
			all.Landlock = &Landlock{Place: s.Landlock.Place}
		}
		all.Landlock.add(s.Landlock)
	}
}

// add adds the entries of the lists. What is not a list is that of the last file which
// has it.
func (all *Landlock) add(l *Landlock) {
	all.Resources = append(all.Resources, l.Resources...)
	all.FS = append(all.FS, l.FS...)
	all.Net = append(all.Net, l.Net...)
	all.Scopes = append(all.Scopes, l.Scopes...)
	all.ExecClosures = append(all.ExecClosures, l.ExecClosures...)
	all.IgnoreMissing = cmp.Or(l.IgnoreMissing, all.IgnoreMissing)
	all.BestEffort = cmp.Or(l.BestEffort, all.BestEffort)
	all.ABI = cmp.Or(l.ABI, all.ABI)
	all.Log = cmp.Or(l.Log, all.Log)
	all.Place = l.Place
}

// placed is an entry that has a place.
type placed interface{ setPlace(Place) }

func (p *Place) setPlace(at Place) { *p = at }

// setPlaces sets the places of the entries of a list.
func setPlaces[T any, P interface {
	*T
	placed
}](s *Source, table string, list []T) {
	for i := range list {
		P(&list[i]).setPlace(Place{s, table, i})
	}
}

func (f *Shared) place(s *Source) {
	setPlaces(s, "namespaces", f.Namespaces)
	setPlaces(s, "mounts", f.Mounts)
	setPlaces(s, "envs", f.Envs)
	if f.Filesystem != nil {
		setPlaces(s, "filesystem.files", f.Filesystem.Files)
		setPlaces(s, "filesystem.dirs", f.Filesystem.Dirs)
		setPlaces(s, "filesystem.symlinks", f.Filesystem.Symlinks)
		setPlaces(s, "filesystem.protect", f.Filesystem.Protect)
		setPlaces(s, "filesystem.masks", f.Filesystem.Masks)
		setPlaces(s, "filesystem.read_only", f.Filesystem.ReadOnly)
	}
	if f.Network != nil {
		f.Network.Place = Place{s, "network", -1}
	}
	if f.Landlock != nil {
		f.Landlock.Place = Place{s, "landlock", -1}
		setPlaces(s, "landlock.resources", f.Landlock.Resources)
		setPlaces(s, "landlock.fs", f.Landlock.FS)
		setPlaces(s, "landlock.net", f.Landlock.Net)
	}
}

func (p *Profile) place(s *Source) {
	p.Shared.place(s)
	setPlaces(s, "uidmaps", p.UIDMaps)
	setPlaces(s, "gidmaps", p.GIDMaps)
	setPlaces(s, "limits", p.Limits)
	if p.Rootdir != nil {
		p.Rootdir.Place = Place{s, "rootdir", -1}
	}
	if p.Seccomp != nil {
		p.Seccomp.Place = Place{s, "seccomp", -1}
		setPlaces(s, "seccomp.rules", p.Seccomp.Rules)
	}
	if p.Command != nil {
		p.Command.Place = Place{s, "command", -1}
	}
	if p.Time != nil {
		p.Time.Place = Place{s, "time", -1}
	}
	if p.User != nil {
		p.User.Place = Place{s, "user", -1}
	}
	if p.Cgroup != nil {
		p.Cgroup.Place = Place{s, "cgroup", -1}
	}
	if p.Report != nil {
		p.Report.Place = Place{s, "report", -1}
	}
	if p.Process != nil {
		p.Process.Place = Place{s, "process", -1}
	}
}
