package hakoniwa

import (
	"fmt"

	"hk/pkg/idmap"
	"hk/pkg/ids"
)

// idmap returns the stage for the ID maps.
func (c *compiler) idmap() (*idmap.Maps, error) {
	m := &idmap.Maps{UID: c.IDs.UID, GID: c.IDs.GID}
	if !c.IDs.Auto {
		return m, nil
	}
	whole := true
	for _, d := range []struct {
		kind string
		self uint32
		list *[]idmap.Range
	}{{"uid", c.Host.UID, &m.UID}, {"gid", c.Host.GID, &m.GID}} {
		sub, err := c.Host.SubIDs(d.kind)
		switch {
		case len(*d.list) > 0:
			whole = false
			continue
		case err != nil:
			return nil, fmt.Errorf("auto: %w", err)
		}
		whole = whole && len(sub) > 0
		*d.list = auto(d.self, sub)
	}
	if whole {
		return &idmap.Maps{Auto: true}, nil
	}
	return m, nil
}

// auto maps 0 to the caller, and the IDs from 1 on to its subordinate IDs.
func auto(self uint32, sub []ids.Range) []idmap.Range {
	extent := func(inside uint64, outside, count uint32) idmap.Range {
		return idmap.Range{Extent: ids.Extent{Inside: uint32(inside), Outside: outside, Count: count}, OutsideSet: true, CountSet: true}
	}
	list := []idmap.Range{extent(0, self, 1)}
	next := uint64(1)
	for _, s := range sub {
		list = append(list, extent(next, s.First, s.Count))
		next += uint64(s.Count)
	}
	return list
}
