package mount

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"hk/pkg/host"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// A stack is the layers of an overlay. Without an upper directory it is read-only.
type stack struct {
	lower       []source
	upper, work *source
}

// maxValue is the maximum length of a value for fsconfig(2).
const maxValue = 255

// plain reports whether the kernel takes the names of the layers as they are: it
// interprets backslashes and colons in some and not in others, depending on its version,
// and so it does with commas. A layer that others can replace has no such name.
func (s stack) plain() bool {
	total := 0
	for _, src := range s.all() {
		total += len(src.real) + 1
		if !src.named() || strings.ContainsAny(src.real, `\:,`) || len(src.real) > maxValue {
			return false
		}
	}
	return total <= maxValue
}

// names are those of the layers on the host.
func (s stack) names() (lower []string, to changed) {
	for _, src := range s.lower {
		lower = append(lower, src.real)
	}
	if s.upper != nil {
		to.upper, to.work = s.upper.real, s.work.real
	}
	return lower, to
}

func (s stack) all() []source {
	list := slices.Clone(s.lower)
	if s.upper != nil {
		list = append(list, *s.upper, *s.work)
	}
	return list
}

// layer looks up a directory for an overlay.
func (b *builder) layer(dir string) (source, error) {
	src, err := b.source(dir)
	if err == nil && !src.isDir {
		err = unix.ENOTDIR
	}
	if err != nil {
		return src, err
	}
	if !b.InUserNS() || b.Host.MountIn == nil {
		return src, nil
	}
	// Every mount that a new user namespace has from its parent is locked to the one
	// that it is on. In an existing one it may have been made there.
	below, err := b.Host.MountIn(src.real)
	switch {
	case err != nil || below == "":
	case b.NS.New&unix.CLONE_NEWUSER != 0:
		err = fmt.Errorf("%s is mounted in it, and %s", below, noMounts)
	default:
		b.inLayer = fmt.Sprintf("%s is mounted in %s, and %s", below, src.path, noMounts)
	}
	return src, err
}

const noMounts = "in a user namespace the kernel makes no overlay of a directory that has mounts of the host in it"

func (b *builder) layers(dirs []string) (list []source, err error) {
	for _, dir := range dirs {
		src, err := b.layer(dir)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", dir, err)
		}
		list = append(list, src)
	}
	return list, nil
}

// A changed is what an overlay changes: its upper and its work directory, by names or by
// descriptors. The zero value is a read-only overlay.
type changed struct {
	upper, work     string
	upperFD, workFD *plan.Result
}

// configure sets the descriptors. Before Linux 6.13 an overlay takes only names, and the
// one that a procfs has for a descriptor leads to no other directory.
func (c changed) configure(b *builder, fs *plan.Result) {
	if c.upperFD == nil {
		return
	}
	set := plan.FsconfigFDPath
	if b.Host.Has(host.OverlayFD) {
		set = plan.FsconfigFD
	}
	b.Add(set(fs, "upperdir", c.upperFD), set(fs, "workdir", c.workFD))
}

// stage attaches a new tmpfs where an overlay will be: names of layers must be in a
// mount of this namespace until the overlay exists.
func (b *builder) stage(at place, params ...[2]string) *plan.Result {
	tmpfs := b.newMount("tmpfs", nosuidNodev, params...)
	if at.known {
		b.Add(plan.MoveMount(tmpfs, plan.Ref(at.base), at.path))
	} else {
		where := b.lookup(at, 0)
		b.Add(plan.MoveMount(tmpfs, plan.Ref(where), ""), plan.Close(where))
	}
	return tmpfs
}

// overStage returns a detached overlay whose layers have short names in a tmpfs, which
// is attached somewhere, and then detached. The upper and the work directory are taken by
// descriptors: both must be in one mount, so neither can be bind mounted. Without them,
// changes go to the tmpfs if keep is set.
func (b *builder) overStage(stage *plan.Result, s stack, keep bool, attrs uint64, params ...[2]string) (*plan.Result, error) {
	var to changed
	switch {
	case s.upper != nil:
		to.upperFD, to.workFD = b.open(*s.upper), b.open(*s.work)
	case keep:
		to.upper, to.work = "upper", "work"
		if err := b.makeUpper(stage, to.upper, s.lower[0]); err != nil {
			return nil, err
		}
		b.Add(plan.Mkdirat(plan.Ref(stage), to.work, 0o755))
	}
	lower := make([]string, len(s.lower))
	for i, src := range s.lower {
		if lower[i] = src.real; !s.plain() {
			lower[i] = strconv.FormatInt(int64(i), 36)
			b.nameLayer(stage, lower[i], src)
		}
	}
	// The names are resolved from the working directory.
	b.Add(plan.Fchdir(stage))
	m := b.newOverlay(lower, to, attrs, params...)
	if s.upper != nil {
		b.Add(plan.Close(to.upperFD), plan.Close(to.workFD))
	}
	// The overlay has what it needs. In the stack of mounts the tmpfs would be one too
	// many: below a root, it would be detached instead of the old root.
	b.Add(plan.UmountDetach("."))
	return m, nil
}

// makeUpper creates the upper directory, which is the top of the overlay: its mode is that
// of the lower one, and so is its owner, unless the IDs mean others in a new user
// namespace.
func (b *builder) makeUpper(stage *plan.Result, name string, lower source) error {
	p := permission{}
	var err error
	if p.mode, err = b.mode(lower.look()); err != nil {
		return err
	}
	if !b.NS.Entered(unix.CLONE_NEWUSER) {
		if p.uid, p.gid, err = b.Host.Owner(lower.look()); err != nil {
			return err
		}
		p.owned = p.uid != b.Host.UID || p.gid != b.Host.GID
	}
	b.Add(plan.Mkdirat(plan.Ref(stage), name, p.mode&0o1777))
	if p.mode&^0o1777 == 0 && !p.owned {
		return nil
	}
	d := b.Open("dir", plan.Openat(plan.Ref(stage), name, unix.O_DIRECTORY|unix.O_CLOEXEC, 0))
	if p.owned { // it may have no ID here
		b.Add(plan.Fchown(d, p.uid, p.gid).Tolerate(unix.EINVAL, unix.EPERM))
	}
	b.Add(plan.Fchmod(d, p.mode), plan.Close(d))
	return nil
}

// nameLayer gives a directory a name in a tmpfs. What others can replace is bind
// mounted there: an overlay accepts only names, and nobody else can change those.
func (b *builder) nameLayer(stage *plan.Result, name string, src source) {
	if src.named() {
		b.Add(plan.Symlinkat(src.real, plan.Ref(stage), name))
		return
	}
	tree := b.clone("lower", src, plan.MountAttr{Set: nosuidNodev, Propagation: unix.MS_PRIVATE}, 0)
	b.Add(plan.Mkdirat(plan.Ref(stage), name, 0o700), plan.MoveMount(tree, plan.Ref(stage), name), plan.Close(tree))
}

// newOverlay creates a detached overlay mount. No name has a character that the kernel
// interprets.
func (b *builder) newOverlay(lower []string, to changed, attrs uint64, more ...[2]string) *plan.Result {
	params := [][2]string{{"lowerdir", strings.Join(lower, ":")}}
	if len(params[0][1]) > maxValue {
		params = nil
		for _, name := range lower {
			params = append(params, [2]string{"lowerdir+", name})
		}
	}
	if to.upper != "" {
		params = append(params, [2]string{"upperdir", to.upper}, [2]string{"workdir", to.work})
	}
	userxattr := [2]string{"userxattr"}
	if b.InUserNS() && !slices.Contains(more, userxattr) {
		// trusted.* attributes work only in the initial user namespace (Linux 5.11).
		params = append(params, userxattr)
	}
	params = append(params, more...)
	defer func() { b.inLayer = "" }()
	return b.configure("mount", "overlay", attrs, params, func(fs *plan.Result) { to.configure(b, fs) })
}

// checkCount rejects more lower directories than the kernel can be told of.
func (b *builder) checkCount(n int) error {
	const short = 97 // with names of one and two characters
	if n > short && !b.Host.Has(host.OverlayAppend) {
		return fmt.Errorf("%d lower directories: %v: %s", n, host.OverlayAppend, host.OverlayAppend.Advice())
	}
	return nil
}
