package keeper

import (
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// sweep removes the cgroups of keepers that have been killed, and ends what is in them.
// What cannot be removed is left to the next one.
func sweep(parent *dir, boot string) {
	names, _ := parent.children()
	for _, name := range names {
		o, ok := parseOwner(name)
		if !ok || o.lives(boot) {
			continue
		}
		if strings.HasSuffix(name, callerSuffix) {
			// There is a supervisor in it as long as that lives.
			parent.remove(name)
			continue
		}
		d, err := parent.child(name)
		if err != nil {
			continue
		}
		if isNew(d) {
			// One in another PID namespace may not have locked it yet.
			d.close()
			continue
		}
		if sweepOne(d) {
			parent.removeAll(name)
		}
		d.close()
	}
}

// minAge is how old a cgroup is before another keeper looks for its end.
const minAge = 300 * time.Millisecond

// isNew reports whether a cgroup may have been made only now.
func isNew(d *dir) bool {
	var st unix.Stat_t
	err := unix.Fstat(d.fd, &st)
	return err != nil || time.Since(time.Unix(st.Ctim.Unix())).Abs() < minAge
}

// sweepOne ends what is in the cgroup if its keeper has ended.
func sweepOne(d *dir) bool {
	locked := d
	if strings.HasSuffix(d.path, scopeSuffix) {
		payload, err := d.child(payloadName)
		if err != nil {
			// It is about to be made or removed.
			return false
		}
		defer payload.close()
		locked = payload
	}
	fd, err := lock(locked)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	g := &group{parts: []*part{{dir: d, v2: d.isV2(), controllers: freezerIn(d)}}}
	for range 20 {
		if g.kill() != nil {
			return false
		}
		if empty, err := g.waitEmpty(100 * time.Millisecond); empty || err != nil {
			return err == nil
		}
	}
	return false
}

func freezerIn(d *dir) []string {
	if d.has("freezer.state") {
		return []string{"freezer"}
	}
	return nil
}
