package access

import "golang.org/x/sys/unix"

// use records rights on a file or directory, or on the directory in which it was created.
func (r *Recorder) use(o object, rights uint64) {
	r.add(o.name, use{rights: rights, id: o.id(), dir: o.kind() == unix.S_IFDIR})
}

// useFound is use for what a process has open.
func (r *Recorder) useFound(tid int, f found, rights uint64) {
	u := use{rights: rights, id: f.id(), dir: f.kind() == unix.S_IFDIR, unsearchable: f.unsearchable, proc: r.tree.inProc(f.object, f.id())}
	name := r.named(tid, f.name)
	if u.process = name != f.name; u.process && name == "/proc" {
		proc, err := r.tree.exact(name)
		if err != nil || !proc.there {
			r.refuse(f.name, errReplaced)
			return
		}
		u = use{rights: rights, id: proc.id(), dir: true}
	}
	r.add(name, u)
}

func (r *Recorder) add(name string, u use) {
	if u.rights == 0 {
		return
	}
	if dir, ok := r.lasting(name); ok {
		name, u = dir.name, use{rights: u.rights, id: dir.id, dir: true}
	}
	if r.files == nil {
		r.files = map[string]use{}
	}
	old, ok := r.files[name]
	switch {
	case !ok && (len(r.files) >= maxPaths || !r.room(name)):
		r.note("more files were used than are told apart")
		return
	case ok && old.id != u.id && !u.process && !(old.proc && u.proc):
		r.refuse(name, errReplaced)
	case ok:
		u.rights |= old.rights
	}
	r.files[name] = u
}

// room reports whether one more name can be kept. The directory that is kept with it is
// about as long.
func (r *Recorder) room(name string) bool {
	if r.bytes+len(name) > maxBytes {
		return false
	}
	r.bytes += len(name)
	return true
}

// used are the rights that were used by a name.
func (r *Recorder) used(name string) uint64 {
	if dir, ok := r.lasting(name); ok {
		name = dir.name
	}
	return r.files[name].rights
}

// create records that a name was given to something in a directory.
func (r *Recorder) create(name string, dir ref) {
	if r.created == nil {
		r.created = map[string]ref{}
	}
	if _, ok := r.lasting(name); ok {
		return // it is in a directory that was created, or was created again
	}
	if len(r.created) >= maxPaths || !r.room(name) {
		r.note("more files were created than are told apart")
		return
	}
	r.created[name] = dir
	delete(r.gone, name)
	if u := r.files[name]; u.rights != 0 {
		delete(r.files, name)
		r.add(name, u)
	}
}

// removed records that a name leads nowhere any more.
func (r *Recorder) removed(s spot) {
	name := join(s.dir.name, s.base)
	if _, ok := r.created[name]; ok {
		delete(r.created, name)
		r.bytes -= len(name)
		return
	}
	if _, ok := r.lasting(name); ok {
		return
	}
	if r.gone == nil {
		r.gone = map[string]ref{}
	}
	if _, ok := r.gone[name]; !ok && (len(r.gone) >= maxPaths || !r.room(name)) {
		r.note("more files were removed than are told apart")
		return
	}
	r.gone[name] = s.dir.ref()
}

// lasting is the directory in which a name, or a directory above it, was created.
func (r *Recorder) lasting(name string) (dir ref, ok bool) { return first(r.created, name) }

// first is what a map has for a name, or for the shortest one above it.
func first(m map[string]ref, name string) (o ref, ok bool) {
	if len(m) == 0 {
		return o, false
	}
	for i := 1; i < len(name); i++ {
		if name[i] == '/' {
			if o, ok = m[name[:i]]; ok {
				return o, true
			}
		}
	}
	o, ok = m[name]
	return o, ok
}

// move records a link or rename between directories.
func (r *Recorder) move(from, to object, dir bool) {
	r.use(from, refer)
	r.use(to, refer)
	a, b := from.name, to.name
	if o, ok := r.lasting(a); ok {
		a = o.name
	}
	if o, ok := r.lasting(b); ok {
		b = o.name
	}
	if a == b {
		return
	}
	if r.moves == nil {
		r.moves = map[move]bool{}
	}
	m := move{a, b, dir}
	if !r.moves[m] && (len(r.moves) >= maxPaths || !r.room(a+b)) {
		r.note("files were moved between more directories than are told apart")
		return
	}
	r.moves[m] = true
}
