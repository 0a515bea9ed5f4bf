package completion

import (
	"slices"
	"strings"
	"unicode"

	"hk/pkg/getopt"
)

// A model is what is known about the words of a program.
type model struct {
	name               string
	flags              []flag
	dashes, completion bool
}

// A flag is a flag with what the usage text says about it.
type flag struct {
	getopt.Flag
	about string
	value value
}

// A value is what a flag takes: fields, between which there are colons.
type value []field

// A field is one of the words, or of what the letters say: f for a file, d for a
// directory, u for a user, g for a group, c for a command; l for a list of them, between
// which there are commas.
type field struct {
	kinds string
	words []string
}

// modelOf parses the usage text of a program.
func modelOf(p Program) model {
	m := model{name: p.Name, dashes: p.Dashes, completion: p.Completion}
	all := p.Flags.All()
	slices.SortFunc(all, func(a, b getopt.Flag) int { return strings.Compare(a.Name, b.Name) })
	texts := textsOf(p.Usage, all)
	for _, f := range all {
		t := texts[f.Name]
		fl := flag{Flag: f, about: t.about}
		if f.Value {
			for _, v := range t.values {
				fl.value = fl.value.with(valueOf(v))
			}
		}
		m.flags = append(m.flags, fl)
	}
	return m
}

// A text is what usage texts say about a flag: its values, and what it does.
type text struct {
	values []string
	about  string
}

// textsOf reads the lines that start with a flag. A line consists of cells between which
// there are at least two blanks: flags, and what those in the cell before it do.
func textsOf(usage string, flags []getopt.Flag) map[string]text {
	takes := map[string]bool{}
	for _, f := range flags {
		takes[f.Name] = f.Value
	}
	texts := map[string]text{}
	for _, line := range strings.Split(usage, "\n") {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "-") {
			continue
		}
		var open []string
		for _, cell := range cells(line) {
			if !strings.HasPrefix(cell, "-") {
				explain(texts, open, cell)
				open = nil
				continue
			}
			names, about := readCell(cell, takes, texts)
			if open = names; about != "" {
				explain(texts, names, about)
				open = nil
			}
		}
	}
	return texts
}

// cells splits a line at two and more blanks. Package regexp, and the tables of package
// unicode that it uses, would be initialized by each start of hk-run.
func cells(line string) (list []string) {
	for {
		cell, rest, more := strings.Cut(line, "  ")
		list = append(list, cell)
		if !more {
			return list
		}
		line = strings.TrimLeft(rest, " ")
	}
}

// explain says what flags do, unless it is known.
func explain(texts map[string]text, names []string, about string) {
	for _, name := range names {
		t := texts[name]
		if t.about == "" {
			t.about = strings.TrimRight(about, " .:;")
		}
		texts[name] = t
	}
}

// readCell reads flags with their values, and what they do if that follows the last
// value. Flags between which there is only a comma take the same values.
func readCell(cell string, takes map[string]bool, texts map[string]text) (names []string, about string) {
	words := strings.Fields(cell)
	var same []string
	for i := 0; i < len(words); i++ {
		name, isLong := strings.CutPrefix(words[i], "--")
		if !isLong {
			if !strings.HasPrefix(words[i], "-") {
				return names, strings.Join(words[i:], " ")
			}
			continue
		}
		name, v, attached := strings.Cut(name, "=")
		name, more := strings.CutSuffix(strings.TrimSuffix(name, "["), ",")
		names, same = append(names, name), append(same, name)
		switch {
		case attached:
			v = strings.TrimSuffix(v, "]")
		case takes[name] && i+1 < len(words) && isValue(words[i+1:]):
			i++
			v, more = strings.CutSuffix(words[i], ",")
		case more:
			continue
		}
		for _, name := range same {
			t := texts[name]
			if v != "" && takes[name] {
				t.values = append(t.values, v)
			}
			texts[name] = t
		}
		same = nil
	}
	return names, ""
}

// isValue reports whether the first of the words is a value, and not what a flag does: that
// does not begin with one word in lower case alone.
func isValue(words []string) bool {
	plain := !strings.ContainsFunc(words[0], func(r rune) bool { return r < 'a' || r > 'z' })
	return words[0][0] != '-' && (!plain || len(words) == 1 || strings.HasPrefix(words[1], "-"))
}

// with adds what another value allows.
func (v value) with(other value) value {
	for i, f := range other {
		if i == len(v) {
			v = append(v, field{})
		}
		for _, k := range f.kinds {
			if !strings.ContainsRune(v[i].kinds, k) {
				v[i].kinds += string(k)
			}
		}
		for _, w := range f.words {
			if !slices.Contains(v[i].words, w) {
				v[i].words = append(v[i].words, w)
			}
		}
	}
	return v
}

// placeholders are the names that usage texts have for what can be completed.
var placeholders = []struct {
	name  string
	kinds string
	words []string
}{
	{"DIR", "d", nil}, {"DST", "d", nil}, {"LINK", "d", nil},
	{"SRC", "f", nil}, {"FILE", "f", nil}, {"PATH", "f", nil}, {"HOSTFILE", "f", nil}, {"TARGET", "f", nil},
	{"USER", "u", nil}, {"GROUP", "g", nil}, {"PROG", "c", nil},
	{"NS", "", []string{"user", "mount", "pid", "net", "ipc", "uts", "cgroup", "time"}},
}

func brackets(text string) string { return strings.NewReplacer("[", "", "]", "").Replace(text) }

// valueOf parses what a usage text has for a value: "DIR[:rw]", "none|host|pasta[:ARG,...]".
func valueOf(s string) value {
	var v value
	for _, alternative := range strings.Split(s, "|") {
		word, _, colon := strings.Cut(alternative, ":")
		if colon && isWord(word) {
			v = v.with(value{{words: []string{word + ":"}}}) // fd:N
			continue
		}
		var one value
		for _, f := range strings.Split(brackets(alternative), ":") {
			one = append(one, fieldOf(f))
		}
		v = v.with(one)
	}
	return v
}

// isWord reports whether s is a fixed word.
func isWord(s string) bool {
	return s != "" && s[0] >= 'a' && s[0] <= 'z' && !strings.ContainsFunc(s, func(r rune) bool { return r != '-' && (r < 'a' || r > 'z') })
}

func fieldOf(s string) (f field) {
	words := strings.Split(s, ",")
	if len(words) > 1 {
		f.kinds = "l"
	}
	for _, w := range words {
		w = strings.TrimRight(w, ".")
		key, _, assigns := strings.Cut(w, "=")
		switch {
		case w == "" || w == "-":
		case assigns && isWord(key):
			f.words = append(f.words, key+"=")
		case strings.ContainsFunc(key, unicode.IsUpper):
			for _, p := range placeholders {
				if p.name == strings.TrimSuffix(key, ".json") {
					f.kinds += p.kinds
					f.words = append(f.words, p.words...)
				}
			}
		case isWord(w):
			f.words = append(f.words, w)
		}
	}
	if f.kinds == "l" && f.words == nil {
		return field{}
	}
	return f
}

// spec is the form of a value in the scripts: fields between colons, each of which is its
// letters, or -, and its words.
func (v value) spec() string {
	var fields []string
	for _, f := range v {
		kinds := f.kinds
		if kinds == "" {
			kinds = "-"
		}
		fields = append(fields, strings.Join(append([]string{kinds}, f.words...), " "))
	}
	for len(fields) > 0 && fields[len(fields)-1] == "-" {
		fields = fields[:len(fields)-1]
	}
	return strings.Join(fields, ":")
}
