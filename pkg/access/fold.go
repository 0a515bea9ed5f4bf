package access

import (
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Fold is how many entries of a directory must have been used with a right for a rule about
// the directory to take the place of rules about each.
const Fold = 4

// A Rule is a rule for a file, or for everything at and below a directory.
type Rule struct {
	Path   string
	Rights uint64
	Dir    bool
	// Also are entries of the directory that were not used, and are granted too, if it is in
	// a directory where that matters.
	Also []string
	// Keys are those entries among them that hold keys and passwords.
	Keys []string
	// Withheld is set if the rule should not be made, because it would be for everything
	// below a directory that is never granted as a whole: one of [Places], or one in which
	// keys and passwords are.
	Withheld bool
	// Secret is set if the file is among what is kept secret.
	Secret bool
}

// Rules are the rules for a record. More are rules that exist already, and remain.
//
// Right by right, from the longest names to the shortest, at least [Fold] entries of a
// directory become a rule for the directory, except for the rights to execute a file and to
// use ioctl(2), and except in the directories of places. A rule is left out if one for a
// directory above has its rights.
func (rec *Record) Rules(places Places, more map[string]Use) []Rule {
	files := maps.Clone(rec.Files)
	for name, u := range more {
		if !u.Dir {
			u.Rights &= onFile
		}
		files[name] = Use{files[name].Rights | u.Rights, u.Dir}
	}
	used := slices.Collect(maps.Keys(files))
	fold(files, func(dir string) bool { return !places.own(dir) && (places.apart(dir) || rec.keyed(dir)) })
	connect(files, rec.Moves)
	list := withhold(files, func(dir string) bool { return !places.own(dir) && (places.withheld(dir) || rec.keyed(dir)) }, more)
	reduce(files)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		u := files[name]
		r := Rule{Path: name, Rights: u.Rights, Dir: u.Dir, Secret: places.secret(name)}
		if u.Dir && places.matters(name) && !places.own(name) && rec.List != nil {
			r.Also = rec.unused(name, used)
			r.Keys = rec.among(name, inProjects)
		}
		list = append(list, r)
	}
	return list
}

// withhold takes away the rights on directories that are never granted as a whole, unless
// that has been done already.
func withhold(files map[string]Use, withheld func(string) bool, more map[string]Use) (list []Rule) {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		u := files[name]
		kept := more[name].Rights
		if !u.Dir || u.Rights&^kept == 0 || !withheld(name) {
			continue
		}
		list = append(list, Rule{Path: name, Rights: u.Rights &^ kept, Dir: true, Withheld: true})
		files[name] = Use{u.Rights & kept, true}
	}
	return list
}

// foldable are the rights for which rules are folded.
const foldable = readFile | readDir | writeFile | truncate | removeDir | removeFile | makeDir | makeReg | makeSock | makeFifo | makeSym | refer

// fold folds the rules for entries of directories, except those for which apart is true.
func fold(files map[string]Use, apart func(dir string) bool) {
	below := map[string]map[string]bool{} // entries, by directory
	for name := range files {
		for name != "/" {
			dir := path.Dir(name)
			if below[dir] == nil {
				below[dir] = map[string]bool{}
			}
			below[dir][name] = true
			name = dir
		}
	}
	dirs := slices.SortedFunc(maps.Keys(below), func(a, b string) int {
		return strings.Count(b, "/") - strings.Count(a, "/")
	})
	for _, dir := range dirs {
		if len(below[dir]) < Fold || apart(dir) {
			continue
		}
		for bit := uint64(1); bit <= foldable; bit <<= 1 {
			if bit&foldable == 0 {
				continue
			}
			if many(files, below[dir], bit) {
				files[dir] = Use{files[dir].Rights | bit, true}
			}
		}
	}
}

// many reports whether a right was used with so many names that they are folded. Programs
// that were executed do not count: a loader that may be executed executes what may be read.
func many(files map[string]Use, names map[string]bool, bit uint64) bool {
	n := 0
	for name := range names {
		if rights := files[name].Rights; rights&bit != 0 && rights&execute == 0 {
			n++
		}
	}
	return n >= Fold
}

// connect grants what links and renames between directories take: a file must not gain a
// right by them, so the directory that it comes from has the rights of the other one.
func connect(files map[string]Use, moves []Move) {
	for more := true; more; {
		more = false
		for _, m := range moves {
			gained := above(files, m.To)
			if !m.Dir {
				gained &= onFile
			}
			if gained &^= above(files, m.From); gained != 0 {
				files[m.From] = Use{files[m.From].Rights | gained, true}
				more = true
			}
		}
	}
}

// above are the rights of a name, by the rules for it and the directories above.
func above(files map[string]Use, name string) uint64 {
	rights := files[name].Rights
	for name != "/" {
		name = path.Dir(name)
		rights |= files[name].Rights
	}
	return rights
}

// reduce leaves out what rules for directories above grant.
func reduce(files map[string]Use) {
	// From the longest names on: what is left out below does not depend on them.
	names := slices.SortedFunc(maps.Keys(files), func(a, b string) int { return strings.Count(b, "/") - strings.Count(a, "/") })
	for _, name := range names {
		if name == "/" {
			continue
		}
		u := files[name]
		if u.Rights &^= above(files, path.Dir(name)); u.Rights == 0 {
			delete(files, name)
			continue
		}
		files[name] = u
	}
	if files["/"].Rights == 0 {
		delete(files, "/")
	}
}

// keyed reports whether there are keys and passwords in a directory, wherever that is: a home
// directory by another name.
func (rec *Record) keyed(dir string) bool {
	keyed, known := rec.keys[dir]
	if !known {
		keyed = slices.ContainsFunc(rec.among(dir, secrets), func(s string) bool { return !slices.Contains(inProjects, s) })
		if rec.keys == nil {
			rec.keys = map[string]bool{}
		}
		rec.keys[dir] = keyed
	}
	return keyed
}

// among are those of the names that are in a directory.
func (rec *Record) among(dir string, names []string) []string {
	if rec.tree == nil {
		return nil
	}
	return rec.tree.among(dir, names)
}

// unused are the entries of a directory of which nothing is among the names that were used.
func (rec *Record) unused(dir string, names []string) (list []string) {
	prefix := strings.TrimSuffix(dir, "/") + "/"
	used := map[string]bool{}
	for _, name := range names {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			first, _, _ := strings.Cut(rest, "/")
			used[first] = true
		}
	}
	if dir == "/proc" {
		list = append(list, "other processes,")
	}
	for _, name := range rec.List(dir) {
		_, err := strconv.Atoi(name)
		if (dir != "/proc" || err != nil) && !used[name] && !rec.Created[prefix+name] {
			list = append(list, name)
		}
	}
	return list
}
