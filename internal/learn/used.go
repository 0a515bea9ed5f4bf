package learn

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"

	"hk/pkg/access"
)

// A usage is what all runs with a directory have used of what the rules and the profile do not
// have: the content of used.json.
type usage struct {
	// Format is 1.
	Format int `json:"hk-learn"`
	// Caps are names of capabilities, without CAP_. Told is set if the kernel has told of each
	// check, in all runs.
	Caps []string `json:"caps"`
	Told bool     `json:"caps-told"`
	// Network says how it was used, or is "" if it was not, and Loopback is set if nothing else
	// was than the payload's own ports.
	Network  string `json:"network"`
	Loopback bool   `json:"loopback"`
	// Opened and Changed are the targets of mounts in which something was.
	Opened  []string `json:"opened"`
	Changed []string `json:"changed"`
	// Unsure says why something in mounts, or of the network, may not have been seen, or is "".
	Unsure string `json:"unsure"`
}

const usageFormat = 1

// parseUsage parses what an earlier run has written.
func parseUsage(data []byte) (*usage, error) {
	u := &usage{}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(u); err != nil || u.Format != usageFormat {
		return nil, errForeign
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errForeign
	}
	if _, ok := capBits(u.Caps); !ok {
		return nil, errForeign
	}
	return u, nil
}

// text is the content of the file.
func (u *usage) text() ([]byte, error) {
	u.Format = usageFormat
	b, err := json.MarshalIndent(u, "", "\t")
	return append(b, '\n'), err
}

// add adds what an earlier run has used.
func (u *usage) add(old *usage) {
	u.Caps = union(u.Caps, old.Caps)
	u.Told = u.Told && old.Told
	u.Opened, u.Changed = union(u.Opened, old.Opened), union(u.Changed, old.Changed)
	if u.Network == "" || u.Loopback && old.Network != "" {
		u.Network, u.Loopback = old.Network, old.Loopback
	}
	if u.Unsure == "" {
		u.Unsure = old.Unsure
	}
}

func union(a, b []string) []string {
	list := slices.Concat(a, b)
	slices.Sort(list)
	return slices.Compact(list)
}

// used is what this run has used.
func (s *session) used(rec *access.Record) *usage {
	u := &usage{Caps: capList(s.caps.used & s.caps.has), Told: s.caps.complete()}
	u.Network, u.Loopback = network(rec)
	for _, m := range s.mounts(rec) {
		opened, changed := m.used(rec)
		if opened {
			u.Opened = append(u.Opened, m.at)
		}
		if changed {
			u.Changed = append(u.Changed, m.at)
		}
	}
	u.Opened, u.Changed = union(u.Opened, nil), union(u.Changed, nil)
	switch {
	case len(rec.Unseen) > 0:
		u.Unsure = "not everything could be seen"
	case rec.AlteredUnseen:
		u.Unsure = "attributes of files were changed that could not be seen"
	}
	return u
}
