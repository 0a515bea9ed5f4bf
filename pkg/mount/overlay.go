package mount

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"hk/pkg/getopt"
	"hk/pkg/host"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// layers are the layer options of an overlay.
type layers struct {
	lower       []string
	upper, work string
}

// parseLayers parses lower=A:B,upper=U,work=W.
func parseLayers(s string) (layers, error) {
	var l layers
	for _, o := range getopt.Value(s).Split(',') {
		key, value, ok := o.Cut('=')
		if !ok || value == "" {
			return l, fmt.Errorf("option %q is not lower=, upper= or work=", o)
		}
		switch {
		case key == "lower" && l.lower == nil:
			for _, dir := range value.Split(':') {
				l.lower = append(l.lower, dir.Text())
			}
		case key == "upper" && l.upper == "":
			l.upper = value.Text()
		case key == "work" && l.work == "":
			l.work = value.Text()
		default:
			return l, fmt.Errorf("option %s is unknown or repeated", key)
		}
	}
	if slices.Contains(l.lower, "") {
		return l, errors.New("an empty path in lower")
	}
	return l, nil
}

// overlay mounts an overlay of host directories.
func (b *builder) overlay(e Entry) error {
	l, err := parseLayers(e.Options)
	switch {
	case err != nil:
		return err
	case e.Kind == ReadOnlyOverlay && (l.upper != "" || l.work != ""):
		return errors.New("a read-only overlay has no upper or work directory")
	case e.Kind == Overlay && (l.upper == "" || l.work == ""):
		return errors.New("an overlay has lower, upper and work directories")
	}
	return b.overlayOf(l, e.Target, nosuidNodev)
}

// overlayOf mounts an overlay of layers, with additional params. Without an upper
// directory it is read-only.
func (b *builder) overlayOf(l layers, target string, attrs uint64, params ...[2]string) error {
	switch {
	case len(l.lower) == 0 || (l.upper == "") != (l.work == ""):
		return errors.New("an overlay has lower, upper and work directories")
	case l.upper == "" && len(l.lower) < 2:
		return errors.New("a read-only overlay has two or more lower directories: for one, use --ro")
	}
	dirs, err := b.layers(l.dirs())
	if err == nil {
		err = b.checkCount(len(l.lower))
	}
	if err != nil {
		return err
	}
	s := stack{lower: dirs[:len(l.lower)]}
	if l.upper != "" {
		s.upper, s.work = &dirs[len(l.lower)], &dirs[len(l.lower)+1]
	} else {
		attrs |= unix.MOUNT_ATTR_RDONLY
	}
	at, err := b.mountPoint(target, true)
	if err != nil {
		return err
	}
	as := newForeign("an overlay")
	if s.upper != nil {
		as.host, as.upper = b.creates && attrs&unix.MOUNT_ATTR_RDONLY == 0, b.inside(*s.upper)
	}
	if s.plain() {
		lower, to := s.names()
		b.attach(b.newOverlay(lower, to, attrs, params...), at, as)
		return nil
	}
	if s.upper != nil && !b.Host.Has(host.OverlayFD) {
		if err := b.Host.Procfs(); err != nil {
			return err
		}
	}
	stage := b.stage(at, [2]string{"mode", "0700"})
	m, err := b.overStage(stage, s, false, attrs, params...)
	if err != nil {
		return err
	}
	b.Add(plan.Close(stage))
	b.attach(m, at, as)
	return nil
}

// dirs are the directories of the layers: the lower ones and, if given, the upper and
// the work directory.
func (l layers) dirs() []string {
	dirs := slices.Clone(l.lower)
	if l.upper != "" {
		dirs = append(dirs, l.upper, l.work)
	}
	return dirs
}

// parseTmpOverlay parses SRC:DST[:OPTS] or DST:lower=A:B[,OPTS].
func parseTmpOverlay(v string) (Entry, error) {
	f := getopt.Value(v).Fields(3)
	e := Entry{Source: f[0].Text()}
	switch {
	case len(f) > 1 && strings.HasPrefix(string(f[1]), "lower="):
		e.Source, e.Target = "", f[0].Text()
		_, options, _ := getopt.Value(v).Cut(':')
		e.Options = string(options)
	case len(f) > 1 && f[0] != "":
		e.Target = f[1].Text()
		if len(f) > 2 {
			e.Options = string(f[2])
		}
	default:
		return e, errors.New("a tmp-overlay is SRC:DST[:OPTS] or DST:lower=A:B[,OPTS]")
	}
	if _, _, _, err := e.tmpOverlay(0); err != nil {
		return e, err
	}
	return e, checkTarget(e.Target)
}

// tmpOverlay are the lower directories of a TmpOverlay, and the attributes and
// parameters of its tmpfs.
func (e Entry) tmpOverlay(set uint64) (lower []string, attrs uint64, params [][2]string, err error) {
	var rest []string
	for _, o := range getopt.Value(e.Options).Split(',') {
		if e.Source == "" && strings.HasPrefix(string(o), "lower=") {
			l, err := parseLayers(string(o))
			if err != nil || lower != nil {
				return nil, 0, nil, errors.New("option lower is repeated, or has an empty path")
			}
			lower = l.lower
		} else if o != "" || e.Options != "" {
			rest = append(rest, string(o))
		}
	}
	if e.Source != "" {
		lower = []string{e.Source}
	}
	options := strings.Join(rest, ",")
	if err = keepsOnly(options); err != nil {
		return nil, 0, nil, err
	}
	attrs, params, err = tmpfsOptions(options, set)
	if err == nil && attrs&unix.MOUNT_ATTR_RDONLY != 0 {
		err = errors.New("option ro: use --ro or --ro-overlay")
	}
	return lower, attrs, params, err
}

// tmpOverlay makes host directories writable; changes are kept in a tmpfs and finally
// discarded.
func (b *builder) tmpOverlay(e Entry) error {
	dirs, attrs, params, err := e.tmpOverlay(nosuidNodev)
	if err != nil {
		return err
	}
	if err := b.checkCount(len(dirs)); err != nil {
		return err
	}
	s := stack{}
	if s.lower, err = b.layers(dirs); err != nil {
		return err
	}
	at, err := b.mountPoint(e.Target, true)
	if err != nil {
		return err
	}
	as := newForeign("an overlay on " + s.lower[0].path)
	as.writable = true
	if len(s.lower) == 1 {
		as.source, as.single = b.inside(s.lower[0]), true
	}
	stage := b.stage(at, params...)
	m, err := b.overStage(stage, s, true, attrs)
	if err != nil {
		return err
	}
	b.Add(plan.Close(stage))
	b.attach(m, at, as)
	return nil
}
