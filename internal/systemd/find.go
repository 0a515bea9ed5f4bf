package systemd

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// directories are where the system manager looks for units, the first one first:
// systemd.unit(5).
var directories = [...]string{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"}

// maxFile is the longest file that is read, in bytes.
const maxFile = 4 << 20

// A Unit is a unit file with its drop-ins.
type Unit struct {
	// Name is that of the unit, with the instance of a template.
	Name string
	// File is the path of the unit file.
	File string
	// aliases are other names of the unit, which are links to its file.
	aliases []string
	// Lines are the assignments of all files, in the order in which they count.
	Lines []Assignment
}

// Load reads a unit: a path, which has a slash, or a name, which is looked up in the
// directories of the system manager. dir is the working directory.
func Load(files fs.FS, unit, dir string) (*Unit, error) {
	u := &Unit{Name: path.Base(unit)}
	dirs := directories[:]
	if strings.Contains(unit, "/") {
		if !path.IsAbs(unit) {
			unit = dir + "/" + unit
		}
		dirs = []string{path.Dir(path.Clean(unit))}
	} else if path.Ext(u.Name) == "" {
		u.Name += ".service"
	}
	if path.Ext(u.Name) != ".service" || strings.HasPrefix(u.Name, "@") || len(u.Name) > 255 {
		return nil, fmt.Errorf("%s: not the name of a service, such as nginx or getty@tty1.service", u.Name)
	}
	if err := u.find(files, dirs); err != nil {
		return nil, err
	}
	for _, file := range append([]string{u.File}, u.dropIns(files, dirs)...) {
		text, err := read(files, file)
		if err != nil {
			return nil, err
		}
		lines, err := Parse(file, text)
		if err != nil {
			return nil, err
		}
		u.Lines = append(u.Lines, lines...)
	}
	return u, nil
}

// find finds the unit file: that of the unit, or that of its template.
func (u *Unit) find(files fs.FS, dirs []string) error {
	names := []string{u.Name}
	if t := template(u.Name); t != "" && t != u.Name {
		names = append(names, t)
	}
	for _, name := range names {
		for _, dir := range dirs {
			file := path.Join(dir, name)
			fi, err := fs.Stat(files, file[1:])
			switch {
			case errors.Is(err, fs.ErrNotExist):
				continue
			case err != nil:
				return err
			case !fi.Mode().IsRegular() || fi.Size() == 0:
				return fmt.Errorf("%s: the unit is masked, or not a file", file)
			}
			u.File = file
			u.follow(files, dirs)
			return nil
		}
	}
	return fmt.Errorf("%s: there is no such unit in %s", u.Name, strings.Join(dirs, ", "))
}

// follow gives the unit the name of the file that its file is a link to, as the manager
// does if that is in a directory of units, too: drop-ins of both names count.
func (u *Unit) follow(files fs.FS, dirs []string) {
	for file, n := u.File, 0; n < 40; n++ {
		target, err := fs.ReadLink(files, file[1:])
		if err != nil {
			return
		}
		if !path.IsAbs(target) {
			target = path.Join(path.Dir(file), target)
		}
		file = path.Clean(target)
		name := path.Base(file)
		if !slices.Contains(dirs, path.Dir(file)) || path.Ext(name) != ".service" {
			return
		}
		if base, ok := strings.CutSuffix(name, "@.service"); ok && template(u.Name) != "" {
			_, instance, _ := strings.Cut(u.Name, "@")
			name = base + "@" + instance
		}
		if name != u.Name {
			u.aliases, u.Name = append(u.aliases, u.Name), name
		}
	}
}

// template is the name of the template of an instance, or "".
func template(name string) string {
	base, _, ok := strings.Cut(name, "@")
	if !ok {
		return ""
	}
	return base + "@" + path.Ext(name)
}

// dropIns are the files NAME.conf in the directories UNIT.d, in the order of their names.
// Of those with the same name the one that is closest to the unit counts, and then the one
// in the first directory.
func (u *Unit) dropIns(files fs.FS, dirs []string) (list []string) {
	var names []string
	for _, name := range append([]string{u.Name}, u.aliases...) {
		names = append(names, name)
		if t := template(name); t != "" && t != name {
			names = append(names, t)
		}
		stem := strings.TrimSuffix(name, ".service")
		for i := len(stem) - 2; i > 0; i-- { // a-b-c.service has a-b-.service.d too
			if stem[i] == '-' {
				names = append(names, stem[:i+1]+".service")
			}
		}
	}
	names = append(names, "service")
	found := map[string]string{}
	for _, name := range names {
		for _, dir := range dirs {
			entries, err := fs.ReadDir(files, path.Join(dir, name+".d")[1:])
			if err != nil {
				continue
			}
			for _, e := range entries {
				if file := path.Join(dir, name+".d", e.Name()); strings.HasSuffix(e.Name(), ".conf") && found[e.Name()] == "" {
					found[e.Name()] = file
				}
			}
		}
	}
	for name := range found {
		list = append(list, name)
	}
	slices.Sort(list)
	for i, name := range list {
		list[i] = found[name]
	}
	return list
}

// read reads a regular file, or nothing of a device: a link to /dev/null masks a file.
func read(files fs.FS, file string) (string, error) {
	fi, err := fs.Stat(files, file[1:])
	switch {
	case err != nil:
		return "", fmt.Errorf("%s: %w", file, errors.Unwrap(err))
	case fi.Mode()&fs.ModeDevice != 0:
		return "", nil
	case !fi.Mode().IsRegular():
		return "", fmt.Errorf("%s: not a regular file", file)
	case fi.Size() > maxFile:
		return "", fmt.Errorf("%s: longer than %d bytes", file, maxFile)
	}
	b, err := fs.ReadFile(files, file[1:])
	return string(b), err
}
