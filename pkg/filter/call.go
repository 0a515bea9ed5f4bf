package filter

// ArchOf is the architecture of a call, given by its AUDIT_ARCH value and its number, or
// nil if there is no table for it.
func ArchOf(audit, nr uint32) *Arch {
	for _, a := range arches {
		if a.Audit == audit && (a == X32) == (audit == X86_64.Audit && nr&x32Bit != 0 && nr != skipped) {
			return a
		}
	}
	return nil
}

// CallName is the name of the call of a number.
func (a *Arch) CallName(nr uint32) (name string, ok bool) {
	for _, c := range a.table {
		if c.nr == nr {
			return c.name, true
		}
	}
	return "", false
}

// ArgumentCount is the number of arguments of a call; 6 if it is not known.
func (a *Arch) ArgumentCount(name string) int {
	for n := range 6 {
		if arg, _ := a.argument(name, n); arg == (argument{}) {
			return n
		}
	}
	return 6
}

// Wide reports whether an argument of a call may be a pointer, a size or a long.
func (a *Arch) Wide(name string, n int) bool {
	text, known := a.takes(name)
	if !known {
		return true
	}
	index := 0
	for _, kind := range []byte(text) {
		if kind == '_' || kind == 'h' {
			continue
		}
		if index == n {
			return kind == '8' || kind == '?'
		}
		index++
	}
	return false
}
