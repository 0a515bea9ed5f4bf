package why

import (
	"errors"
	"fmt"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"hk/pkg/filter"
	"hk/pkg/landlock"
	"hk/pkg/plan"
)

// A question is whether the payload can do something.
type question struct {
	// text is the question as it was asked.
	text string
	// kind is one of kinds.
	kind string
	// path is for a file, port for a port, and bit for a capability.
	path string
	// found is set if the kernel has found it: the payload may have made what the plan has
	// not.
	found bool
	// node is the right that the creation of something else than a regular file takes.
	node landlock.Access
	// to is the other path of a file that is renamed or linked, and exchange is set if both
	// are renamed.
	to       string
	exchange bool
	// owner are the IDs that a file is to have.
	owner [2]uint32
	// tried is what permissions say to a payload that is followed, or nil.
	tried *trial
	port  uint16
	udp   bool
	bit   int
	// host is set if the capability is needed over the initial user namespace.
	host bool
	// id is for a user ID or a group ID, and changes are the namespaces that a call changes.
	id      uint32
	changes []kindOfNS
	// name and call are for a system call.
	name string
	call filter.Call
	// denial is what the kernel has told.
	denial *denial
}

// writes reports whether it takes a mount that is writable.
func (q question) writes() bool {
	switch q.kind {
	case "write", "truncate", "create", "remove", "rename", "link", "attributes", "xattr", "chown":
		return true
	}
	return false
}

var kinds = []string{"read", "write", "exec", "create", "remove", "connect", "bind", "call", "cap"}

// parseQuestions parses a list, between whose elements there are commas. One within
// parentheses, or after a backslash, does not separate.
func parseQuestions(list string) (all []question, err error) {
	for _, word := range split(list) {
		q := question{text: word}
		if err := q.parse(word); err != nil {
			return nil, fmt.Errorf("%q: %w", word, err)
		}
		all = append(all, q)
	}
	return all, nil
}

func split(list string) []string {
	var words []string
	var word strings.Builder
	depth := 0
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
		case c == '\\' && i+1 < len(list) && (list[i+1] == ',' || list[i+1] == '\\'):
			i++
			word.WriteByte(list[i])
			continue
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ',' && depth <= 0:
			words = append(words, word.String())
			word.Reset()
			continue
		}
		word.WriteByte(list[i])
	}
	return append(words, word.String())
}

func (q *question) parse(word string) error {
	kind, what, ok := strings.Cut(word, ":")
	if !ok || !slices.Contains(kinds, kind) {
		return fmt.Errorf("not KIND:WHAT, where KIND is %s", strings.Join(kinds, ", "))
	}
	if strings.ContainsRune(what, 0) {
		return errors.New("a null byte")
	}
	q.kind = kind
	switch kind {
	case "connect", "bind":
		port, err := strconv.ParseUint(what, 10, 16)
		if q.port = uint16(port); err != nil {
			return errors.New("not a port from 0 to 65535")
		}
	case "call":
		return q.parseCall(what)
	case "cap":
		return q.parseCap(what)
	default:
		if !path.IsAbs(what) {
			return errors.New("not an absolute path")
		}
		q.path = what
	}
	return nil
}

// parseCall parses the name of a system call, with the arguments that are known.
func (q *question) parseCall(what string) error {
	native := filter.Native(runtime.GOARCH)
	if native == nil {
		return errors.New("there is no system call table for this architecture")
	}
	list, err := filter.ParseSelections(what)
	if err != nil {
		return err
	}
	if len(list) != 1 || strings.HasPrefix(list[0].Name, "@") {
		return errors.New("not one system call")
	}
	nr, ok := native.Number(list[0].Name)
	if !ok {
		return fmt.Errorf("%s has no %s(2)", native.Name, list[0].Name)
	}
	q.name, q.call.Nr = list[0].Name, nr
	for _, c := range list[0].Conds {
		if c.Op != filter.EQ || q.call.Known>>c.Arg&1 != 0 {
			return errors.New("an argument is given once, as argN==VALUE")
		}
		q.call.Args[c.Arg], q.call.Known = c.Value, q.call.Known|1<<c.Arg
	}
	return nil
}

func (q *question) parseCap(what string) error {
	name := "CAP_" + strings.TrimPrefix(strings.ToUpper(what), "CAP_")
	for q.bit = range 64 {
		if plan.CapName(q.bit) == name {
			return nil
		}
	}
	return errors.New("not a capability")
}
