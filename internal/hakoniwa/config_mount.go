package hakoniwa

import (
	"slices"
	"strconv"
	"strings"

	"hk/internal/profile"
	"hk/pkg/getopt"
)

// mountTypes are what a mount can be besides a bind mount, and whether it has a source.
var mountTypes = []struct {
	name   string
	source bool
}{
	{"devfs", false}, {"tmpfs", false}, {"proc", false}, {"mqueue", false}, {"sysfs", false}, {"cgroup2", false},
	{"dev-bind", true}, {"overlay", false}, {"ro-overlay", false}, {"tmp-overlay", true},
}

func (c *config) mounts(list []profile.Mount) {
	for _, m := range list {
		to := Mount{Type: m.Type, Writable: m.Writable, Optional: m.Optional, Options: getopt.JoinList(m.Options), Place: m.Place}
		if to.Type == "bind" {
			to.Type = ""
		}
		source := to.Type == ""
		if !source {
			i := slices.IndexFunc(mountTypes, func(t struct {
				name   string
				source bool
			}) bool {
				return t.name == m.Type
			})
			if i < 0 {
				c.fail(m.Errorf("type", "%q is not bind%s", m.Type, typeNames()))
				continue
			}
			source = mountTypes[i].source
			if m.Writable || m.Optional {
				c.fail(m.Errorf("type", "rw and optional are for bind mounts only"))
			}
		}
		if m.Source != nil {
			to.Source = c.text(m.Place, "source", *m.Source)
		}
		switch {
		case source && to.Source == "":
			c.fail(m.Errorf("source", "a path is needed"))
		case !source && to.Source != "":
			c.fail(m.Errorf("source", "%s has none: it must be empty", m.Type))
		}
		if m.Destination != nil {
			to.Target = c.path(m.Place, "destination", *m.Destination)
		} else if !source {
			c.fail(m.Errorf("destination", "it is needed"))
		}
		c.layers(m, &to)
		c.Mounts = append(c.Mounts, to)
	}
}

func typeNames() string {
	text := ""
	for _, t := range mountTypes {
		text += ", " + t.name
	}
	return text
}

// layers sets the options of an overlay.
func (c *config) layers(m profile.Mount, to *Mount) {
	has := len(m.Lower) > 0 || m.Upper != "" || m.Work != ""
	switch m.Type {
	case "overlay", "ro-overlay":
		if len(m.Lower) == 0 {
			c.fail(m.Errorf("lower", "the layers are needed"))
		}
	default:
		if has {
			c.fail(m.Errorf("type", "lower, upper and work are for overlays only"))
		}
		return
	}
	var words []string
	add := func(key string, paths ...string) {
		var escaped []string
		for _, p := range paths {
			escaped = append(escaped, string(getopt.Escape(c.path(m.Place, key, p), ",:")))
		}
		words = append(words, key+"="+strings.Join(escaped, ":"))
	}
	add("lower", m.Lower...)
	if m.Upper != "" {
		add("upper", m.Upper)
	}
	if m.Work != "" {
		add("work", m.Work)
	}
	to.Options = strings.Trim(strings.Join(words, ",")+","+to.Options, ",")
}

func (c *config) filesystem(f *profile.Filesystem) {
	if f == nil {
		return
	}
	for _, e := range f.Files {
		c.Files = append(c.Files, File{Type: "file", Target: c.path(e.Place, "destination", e.Destination), Text: c.text(e.Place, "contents", e.Contents)})
	}
	for _, e := range f.Dirs {
		if n, err := strconv.ParseUint("0"+e.Mode, 8, 32); err != nil || n > 0o7777 {
			c.fail(e.Errorf("mode", "%q is not an octal mode", e.Mode))
		}
		c.Files = append(c.Files, File{Type: "dir", Target: c.path(e.Place, "destination", e.Destination), Mode: e.Mode})
	}
	for _, e := range f.Symlinks {
		if e.Original == "" {
			c.fail(e.Errorf("original", "an empty path"))
		}
		c.Files = append(c.Files, File{Type: "symlink", Target: c.path(e.Place, "link", e.Link), Text: c.text(e.Place, "original", e.Original)})
	}
	for _, e := range f.Protect {
		if e.Access != "" {
			c.oneOf(e.Place, "access", e.Access, "deny", "ro")
		}
		c.Protect.Names = append(c.Protect.Names, Protected{c.path(e.Place, "destination", e.Destination), e.Access == "ro"})
	}
	for _, e := range f.Masks {
		c.Protect.Masks = append(c.Protect.Masks, c.path(e.Place, "destination", e.Destination))
	}
	for _, e := range f.ReadOnly {
		c.Protect.ReadOnly = append(c.Protect.ReadOnly, c.path(e.Place, "destination", e.Destination))
	}
}
