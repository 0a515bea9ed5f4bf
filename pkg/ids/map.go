package ids

import (
	"fmt"
	"strings"
)

// An Extent is one line of a map: the Count IDs starting at Inside are the IDs starting
// at Outside, outside the user namespace.
type Extent struct{ Inside, Outside, Count uint32 }

func (e Extent) String() string { return fmt.Sprintf("%d:%d:%d", e.Inside, e.Outside, e.Count) }

func (e Extent) inside() Range  { return Range{e.Inside, e.Count} }
func (e Extent) outside() Range { return Range{e.Outside, e.Count} }

// ParseExtent parses the numbers of an extent. Outside and the count may be omitted,
// and are then 0 and 1.
func ParseExtent(inside string, more ...string) (e Extent, err error) {
	e.Count = 1
	if e.Inside, err = Parse(inside); err == nil && len(more) > 0 {
		e.Outside, err = Parse(more[0])
	}
	if err == nil && len(more) > 1 {
		e.Count, err = ParseCount(more[1])
	}
	return e, err
}

// Valid reports whether both ranges are.
func (e Extent) Valid() bool { return e.inside().Valid() && e.outside().Valid() }

// A Map is the content of /proc/PID/uid_map or gid_map. Without an extent, no ID is
// mapped.
type Map []Extent

// maxExtents is the most that the kernel accepts (Linux 4.15).
const maxExtents = 340

// ParseMap parses a map as printed by the kernel. It skips anything else.
func ParseMap(text string) Map {
	var m Map
	for line := range strings.SplitSeq(text, "\n") {
		f := strings.Fields(line)
		if len(f) != 3 {
			continue
		}
		inside, err1 := number(f[0])
		outside, err2 := number(f[1])
		count, err3 := number(f[2])
		if err1 == nil && err2 == nil && err3 == nil {
			m = append(m, Extent{inside, outside, count})
		}
	}
	return m
}

// String is the map as it is written to the file.
func (m Map) String() string {
	var b strings.Builder
	for _, e := range m {
		fmt.Fprintf(&b, "%d %d %d\n", e.Inside, e.Outside, e.Count)
	}
	return b.String()
}

// Inside returns the ID inside the namespace of an ID outside it, if it is mapped.
func (m Map) Inside(outside uint32) (id uint32, ok bool) {
	for _, e := range m {
		if e.outside().Contains(outside) {
			return e.Inside + (outside - e.Outside), true
		}
	}
	return None, false
}

// Outside returns the ID outside the namespace of an ID inside it, if it is mapped and the
// process that has read the map has an ID for it: otherwise the kernel prints None there.
func (m Map) Outside(inside uint32) (id uint32, ok bool) {
	for _, e := range m {
		if inside != None && e.inside().Contains(inside) && e.Outside != None {
			return e.Outside + (inside - e.Inside), true
		}
	}
	return None, false
}

// HasInside reports whether an ID is one inside.
func (m Map) HasInside(inside uint32) bool {
	_, ok := m.Outside(inside)
	return ok
}

// Has reports whether an ID outside the namespace is mapped.
func (m Map) Has(outside uint32) bool {
	_, ok := m.Inside(outside)
	return ok
}

// Check rejects what the kernel would reject, but with a reason: the kernel always
// returns EINVAL. inside and outside are what the two sides are called.
func (m Map) Check(inside, outside string) error {
	if len(m) > maxExtents {
		return fmt.Errorf("%d ranges: the kernel accepts at most %d", len(m), maxExtents)
	}
	for i, e := range m {
		switch {
		case e.Count == 0:
			return fmt.Errorf("%v has no IDs", e)
		case !e.Valid():
			return fmt.Errorf("%v reaches beyond the last ID, %d", e, Last)
		}
		for _, before := range m[:i] {
			switch {
			case e.inside().Overlaps(before.inside()):
				return fmt.Errorf("%v and %v overlap %s", before, e, inside)
			case e.outside().Overlaps(before.outside()):
				return fmt.Errorf("%v and %v overlap %s", before, e, outside)
			}
		}
	}
	return nil
}
