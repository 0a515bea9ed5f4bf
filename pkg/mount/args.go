package mount

import (
	"fmt"
	"strings"

	"hk/pkg/getopt"
)

// Args prints m as flags.
func (m *Mounts) Args() []string {
	var a getopt.Args
	switch {
	case m.Ephemeral:
		a.String("ephemeral", m.Root)
	case m.Writable:
		a.Set("root-rw", m.Root)
	default:
		a.Set("root", m.Root)
	}
	a.Bool("writable-root", m.Writable && (m.Ephemeral || m.Root == ""))
	a.Set("root-tmpfs", m.Tmpfs)
	a.Bool("in-place", m.InPlace)
	a.Bool("create", m.Create)
	if m.CreateWritable {
		a.Set("create", "writable")
	}
	a.Bool("nofollow", m.NoFollow)
	a.Set("context", m.Label)
	a.Bool("root-dev", m.RootDev)
	a.Bool("root-suid", m.RootSuid)
	a.Bool("root-noexec", m.RootNoexec)
	for _, e := range m.Entries {
		a.String(string(e.Kind), e.value())
	}
	a.Set("chdir", m.Dir)
	a.Set("else-chdir", m.ElseDir)
	for _, l := range m.Locks {
		a.String("lock", l)
	}
	return a
}

// source is SRC of a bind.
func (e Entry) source() string {
	if e.FD != 0 {
		return fmt.Sprintf("fd:%d", e.FD)
	}
	return string(getopt.Escape(e.Source, ":"))
}

func (e Entry) value() string {
	switch e.Kind {
	case RootFS, Fstab:
		return e.Source
	case Parents:
		return e.Options
	case File, FileFrom, Data, WritableData:
		v := string(getopt.Escape(e.Target, ":="))
		if e.Options != "" {
			v += ":" + e.Options
		}
		return v + "=" + e.Source
	}
	v := string(getopt.Escape(e.Target, ":"))
	switch e.Kind {
	case TmpOverlay:
		if e.Source != "" {
			v = string(getopt.Escape(e.Source, ":")) + ":" + v
		}
	case Symlink:
		v = string(getopt.Escape(e.Source, ":")) + ":" + v
	case FileSystem:
		fstype, source, _ := strings.Cut(e.Source, ":")
		v = string(getopt.Escape(fstype, ":")+":"+getopt.Escape(source, ":")) + ":" + v
	case ReadOnlyBind, Bind, DeviceBind, TryReadOnly, TryBind:
		if source := e.source(); e.Target != "" || e.Options != "" {
			v = source + ":" + v
		} else {
			v = source
		}
	}
	if e.Options != "" {
		v += ":" + e.Options
	}
	return v
}
