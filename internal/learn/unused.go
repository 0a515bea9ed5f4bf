package learn

import (
	"fmt"
	"path"
	"strings"

	"hk/pkg/access"
	"hk/pkg/getopt"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// unused says what the payload has and did not use, as far as can be seen.
func (s *session) unused(rec *access.Record) (list []string) {
	list = append(list, s.unusedCaps()...)
	list = append(list, s.unusedNetwork(rec)...)
	for _, l := range s.chain.Links {
		if l.Kind.Name == "hk-mount" {
			list = append(list, unusedMounts(l.Stage.Args(), rec)...)
		}
	}
	return list
}

// unusedCaps names the capabilities that were used, if the payload had others too.
func (s *session) unusedCaps() []string {
	has := s.state.PayloadCaps()
	used := s.caps.used & has
	switch {
	case has == 0 || has == used:
		return nil
	case used == 0:
		return []string{"no use of a capability was seen: hk-setuser --caps=none takes them away"}
	}
	names := strings.ToLower(strings.ReplaceAll(plan.CapNames(used), "CAP_", ""))
	names = strings.NewReplacer("|", ",", " ", "", "1<<", "").Replace(names)
	return []string{"of the capabilities, the use of these was seen: hk-setuser --caps=none,+" + strings.ReplaceAll(names, ",", ",+")}
}

// unusedNetwork says what a payload with the network of the caller could do without.
func (s *session) unusedNetwork(rec *access.Record) []string {
	switch {
	case (s.state.NS.New|s.state.NS.Joined)&unix.CLONE_NEWNET != 0, rec.Remote, rec.Abstract:
		return nil
	case !rec.Internet:
		return []string{"the network was not used: hk-unshare --net, in a user namespace unless the caller is root, takes it away"}
	}
	return []string{"other machines were not reached: hk-unshare --net and hk-net --loopback leave the payload its own ports"}
}

// unusedMounts says which files of the host were not used, and which were not written to.
func unusedMounts(args []string, rec *access.Record) (list []string) {
	for _, a := range args {
		flag, value, _ := strings.Cut(strings.TrimPrefix(a, "--"), "=")
		switch flag {
		case "ro", "rw", "try-ro", "try-rw", "dev-bind":
		default:
			continue
		}
		parts := getopt.Value(value).Split(':')
		at := parts[0].Text()
		if len(parts) > 1 {
			at = parts[1].Text()
		}
		if !path.IsAbs(at) {
			continue
		}
		used, written := usedBelow(rec, path.Clean(at))
		switch {
		case !used:
			list = append(list, fmt.Sprintf("nothing was opened or changed there: hk-mount --%s=%s", flag, value))
		case !written && (flag == "rw" || flag == "try-rw"):
			list = append(list, fmt.Sprintf("nothing was changed there, so --%s suffices: hk-mount --%s=%s", strings.Replace(flag, "rw", "ro", 1), flag, value))
		}
	}
	return list
}

// reads are the rights that change nothing.
const reads = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR | unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV

func usedBelow(rec *access.Record, dir string) (used, written bool) {
	for name, u := range rec.Files {
		if name == dir || dir == "/" || strings.HasPrefix(name, dir+"/") {
			used = true
			written = written || u.Rights&^reads != 0
		}
	}
	return used, written
}
