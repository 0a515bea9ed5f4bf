package why

import (
	"fmt"
	"strconv"
	"strings"

	"hk/pkg/plan"
	"hk/pkg/ptrace"

	"golang.org/x/sys/unix"
)

// nameOf is the name of a call, or its number.
func nameOf(c ptrace.Call) string {
	if arch := archOf(c); arch != nil {
		if name, ok := arch.CallName(c.Nr); ok {
			return name
		}
	}
	return "call " + strconv.Itoa(int(c.Nr))
}

// text is a call with its arguments, as strace(1) prints those that are known.
func (f *follower) text(tid int, c ptrace.Call) string {
	name := nameOf(c)
	count, arch := 6, archOf(c)
	if arch != nil {
		count = arch.ArgumentCount(name)
	}
	at, isPath := paths[name]
	opens := name == "open" || name == "openat"
	if opens && c.Args[at.more]&unix.O_CREAT == 0 {
		count = at.more + 1
	}
	var args []string
	for i, v := range c.Args[:count] {
		text := number(v)
		if v > maxShown && arch != nil && arch.Wide(name, i) {
			text = "..." // in most cases a pointer, which differs from process to process
		}
		switch a, ok := f.addressArg(tid, c, name, i); {
		case ok:
			text = a.String()
		case isTextArg(name, i):
			if p, ok := f.tracer.PeekString(tid, v); ok {
				text = strconv.Quote(p)
			}
		case isDirArg(name, i) && int32(v) == unix.AT_FDCWD:
			text = "AT_FDCWD"
		case opens && i == at.more:
			text = plan.Openat(plan.AtCwd(), "", v, 0).Args[2].String()
		case isPath && isMode(name, i-at.path), opens && i == at.more+1:
			text = plan.Octal(uint32(v)).String()
		}
		args = append(args, text)
	}
	return name + "(" + strings.Join(args, ", ") + ")"
}

// isTextArg and isDirArg report whether an argument is a path or the name of an attribute, or a
// directory that a path starts from.
func isTextArg(name string, i int) bool {
	m, moves := moves[name]
	at, ok := paths[name]
	return moves && (i == m.path || i == m.to) || ok && (i == at.path || at.kind == "xattr" && i == at.more) || name == "symlink" && i == 0 || name == "symlinkat" && i == 0
}

func isDirArg(name string, i int) bool {
	m, moves := moves[name]
	at, ok := paths[name]
	return moves && (i == m.dir || i == m.toDir) || ok && at.path >= 0 && i == at.dir
}

// isMode reports whether the argument so far after the path is a mode.
func isMode(name string, after int) bool {
	return after == 1 && (strings.HasPrefix(name, "mk") || strings.HasPrefix(name, "chmod") || strings.HasPrefix(name, "fchmodat"))
}

// maxShown is the largest number that is taken not to be a pointer: nothing is mapped there.
const maxShown = 4095

// number is a number of which it is not known what it is.
func number(v uint64) string {
	switch low := int32(v); {
	case v <= maxShown:
		return strconv.FormatUint(v, 10)
	case low < 0 && low > -4096 && (v>>32 == 0 || v>>32 == 1<<32-1):
		return strconv.Itoa(int(low))
	}
	return fmt.Sprintf("%#x", v)
}
