package landlock

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"hk/internal/vis"
	"hk/pkg/access"
	"hk/pkg/getopt"

	"golang.org/x/sys/unix"
)

// A Learned is the rules for what was recorded.
type Learned struct {
	rec    *access.Record
	abi    int
	places access.Places
	// more are the rules that the file had, and ports and scopes those that it has then.
	more           map[string]access.Use
	bind, connect  []uint16
	abstract, kill bool
	notes          []string
	withheld       []string
}

// NewLearned makes the rules for a record, for a kernel with that ABI.
func NewLearned(rec *access.Record, abi int, places access.Places) *Learned {
	if abi == 0 { // it is for another kernel
		abi = DefaultABI
	}
	l := &Learned{rec: rec, abi: abi, places: places, more: map[string]access.Use{},
		bind: rec.BindTCP, connect: rec.ConnectTCP, abstract: rec.Abstract, kill: rec.Signals}
	for _, n := range rec.Unseen {
		l.notes = append(l.notes, vis.Text(n))
	}
	if rec.Mounts {
		l.notes = append(l.notes, "mounts were changed, which a domain with rights on files forbids")
	}
	return l
}

// The first line of the file, and the beginnings of lines that say what is missing in it.
const (
	head        = "# hk-landlock --rules: what was used, as hk-landlock --learn has seen it."
	notSeen     = "# incomplete: "
	notGranted  = "# withheld, as it would be for everything below: "
	alsoGranted = "# also grants: "
	isSecret    = "# a key or password:"
	hasSecret   = "# also grants, perhaps with keys or passwords: "
)

var errNotLearned = errors.New("it exists and was not written by --learn: remove it, or give another file")

// A learnedFile is what a file has that --learn has written, and perhaps somebody edited.
type learnedFile struct {
	Ruleset
	notes, withheld []string
}

// parseLearned parses such a file.
func parseLearned(data []byte) (*learnedFile, error) {
	text := string(data)
	if first, _, _ := strings.Cut(text, "\n"); first != head {
		return nil, errNotLearned
	}
	f := &learnedFile{}
	if err := f.parseRules(text); err != nil {
		return nil, fmt.Errorf("it exists, and %w: fix it, or remove it", err)
	}
	if len(f.Closures) > 0 || f.Restrict != 0 || f.RestrictAll || f.BestEffort || f.IgnoreMissing || f.Log != "" || len(f.BindUDP)+len(f.ConnectUDP) > 0 {
		return nil, errNotLearned
	}
	for _, line := range strings.Split(text, "\n") {
		if n, ok := strings.CutPrefix(line, notSeen); ok {
			f.notes = append(f.notes, n)
		}
		if n, ok := strings.CutPrefix(line, notGranted); ok {
			f.withheld = append(f.withheld, n)
		}
	}
	return f, nil
}

// CheckLearned returns an error for a file that [Learned.Add] cannot add.
func CheckLearned(data []byte) error {
	_, err := parseLearned(data)
	return err
}

// Add adds what a file has that was written before.
func (l *Learned) Add(data []byte) error {
	f, err := parseLearned(data)
	if err != nil {
		return err
	}
	for _, rule := range f.Rules {
		there, dir := l.rec.Look(rule.Path)
		if !there {
			l.notes = append(l.notes, vis.Text(rule.Path)+", for which the file had a rule, does not exist any more")
			continue
		}
		u := l.more[rule.Path]
		l.more[rule.Path] = access.Use{Rights: u.Rights | uint64(rule.access()), Dir: dir}
	}
	l.bind = union(l.bind, f.BindTCP)
	l.connect = union(l.connect, f.ConnectTCP)
	if l.abi >= scopeABI {
		l.abstract = l.abstract || f.Scope&unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET == 0
		l.kill = l.kill || f.Scope&unix.LANDLOCK_SCOPE_SIGNAL == 0
	}
	for _, n := range f.notes {
		if !slices.Contains(l.notes, n) {
			l.notes = append(l.notes, n)
		}
	}
	l.withheld = f.withheld
	return nil
}

func union(a, b []uint16) []uint16 {
	list := slices.Concat(a, b)
	slices.Sort(list)
	return slices.Compact(list)
}

// The ABIs that introduced ports and scopes.
const (
	netABI   = 4
	scopeABI = 6
)

func (l *Learned) rules() []access.Rule {
	list := l.rec.Rules(l.places, l.more)
	for i := range list {
		list[i].Rights &= upTo(fsRights, l.abi)
	}
	return slices.DeleteFunc(list, func(r access.Rule) bool { return r.Rights == 0 })
}

// Flags are the flags that grant what was used, without those that are withheld.
func (l *Learned) Flags() []string {
	flags := l.general()
	for _, r := range l.rules() {
		if !r.Withheld {
			flags = append(flags, ruleFlag(r))
		}
	}
	return flags
}

// general are the flags that are not about single files.
func (l *Learned) general() []string {
	// A payload that may change a directory can put a link in the place of what has a rule.
	flags := []string{"--restrict=fs", "--no-symlinks"}
	if l.abi < DefaultABI {
		flags = append(flags, "--abi="+strconv.Itoa(l.abi))
	}
	if l.abi >= netABI {
		for _, p := range []struct {
			flag  string
			ports []uint16
		}{{"tcp-bind", l.bind}, {"tcp-connect", l.connect}} {
			if len(p.ports) == 0 {
				flags = append(flags, "--restrict="+p.flag)
			}
			for _, port := range p.ports {
				flags = append(flags, fmt.Sprintf("--%s=%d", p.flag, port))
			}
		}
	}
	if l.abi >= scopeABI {
		if !l.abstract {
			flags = append(flags, "--scope=abstract-unix-socket")
		}
		if !l.kill {
			flags = append(flags, "--scope=signal")
		}
	}
	return flags
}

// ruleFlag is the flag for a rule: of those that stand for several rights, one that stands
// for just these.
func ruleFlag(r access.Rule) string {
	for _, c := range classes {
		whole := uint64(c.access)
		if !r.Dir {
			whole &= onFile
		}
		if r.Rights == whole {
			return "--" + c.name + "=" + string(getopt.Escape(r.Path, ","))
		}
	}
	return "--allow=" + string(getopt.Escape(r.Path, ",:")) + ":" + Access(r.Rights).Names()
}

// maxAlso is how many entries of a directory are listed that are granted too.
const maxAlso = 12

// Text is the content of the file.
func (l *Learned) Text() []byte {
	var b strings.Builder
	line := func(flag string) { b.WriteString(escape(strings.Replace(flag, "=", " ", 1)) + "\n") }
	b.WriteString(head + "\n")
	for _, n := range l.notes {
		b.WriteString(notSeen + n + "\n")
	}
	withheld := l.withheld
	for _, r := range l.rules() {
		if flag := escape(strings.Replace(ruleFlag(r), "=", " ", 1)); r.Withheld && !slices.Contains(withheld, flag) {
			withheld = append(withheld, flag)
		}
	}
	for _, flag := range withheld {
		b.WriteString(notGranted + flag + "\n")
	}
	for _, flag := range l.general() {
		line(flag)
	}
	for _, r := range l.rules() {
		switch {
		case r.Withheld:
			continue
		case r.Secret:
			b.WriteString(isSecret + "\n")
		case len(r.Keys) > 0:
			b.WriteString(hasSecret + also(r.Keys) + "\n")
			b.WriteString(alsoGranted + also(r.Also) + "\n")
		case len(r.Also) > 0:
			b.WriteString(alsoGranted + also(r.Also) + "\n")
		}
		line(ruleFlag(r))
	}
	return []byte(b.String())
}

func also(list []string) string {
	shown := list[:min(len(list), maxAlso)]
	text := vis.Text(strings.Join(shown, " "))
	if n := len(list) - len(shown); n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

// Notes are warnings about the rules: what was not seen or is withheld, which keys are
// readable, and that the payload can change the file name, which is in dir.
func (l *Learned) Notes(name, dir string) []string {
	notes := slices.Clone(l.notes)
	changes := false
	for _, r := range l.rules() {
		if r.Withheld {
			notes = append(notes, fmt.Sprintf("withheld, as it would be for everything below: %s", vis.Text(strings.Replace(ruleFlag(r), "=", " ", 1))))
			continue
		}
		if r.Secret {
			notes = append(notes, "a key or password: "+vis.Text(strings.Replace(ruleFlag(r), "=", " ", 1)))
		}
		if len(r.Keys) > 0 {
			notes = append(notes, fmt.Sprintf("this also grants, perhaps with keys or passwords, %s: %s", also(r.Keys), vis.Text(strings.Replace(ruleFlag(r), "=", " ", 1))))
		}
		const change = unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE
		for at := dir; dir != "" && r.Rights&change != 0; at = path.Dir(at) {
			changes = changes || at == r.Path
			if at == "/" {
				break
			}
		}
	}
	if changes && l.rec.Same(dir) {
		notes = append(notes, fmt.Sprintf("the rules let the payload change %s: keep it in another directory", name))
	}
	return notes
}
