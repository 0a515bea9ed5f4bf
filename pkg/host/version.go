package host

import (
	"fmt"
	"strings"

	"hk/pkg/cause"

	"golang.org/x/sys/unix"
)

// A Version is a version of Linux, such as 6.12. Anything after these two numbers adds
// no feature.
type Version struct{ Major, Minor int }

// Floor is the oldest version that hk runs on.
var Floor = Version{5, 14}

func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }

// AtLeast reports whether v is w or newer.
func (v Version) AtLeast(w Version) bool {
	return v.Major > w.Major || v.Major == w.Major && v.Minor >= w.Minor
}

// ParseVersion parses the version at the start of a release as returned by uname(2):
// "6.12.9-amd64". ok is false if there is none.
func ParseVersion(release string) (v Version, ok bool) {
	major, rest, ok := number(release)
	if !ok || !strings.HasPrefix(rest, ".") {
		return Version{}, false
	}
	minor, rest, ok := number(rest[1:])
	if !ok || rest != "" && !strings.ContainsRune(".-+_~ ", rune(rest[0])) && !letter(rest[0]) {
		return Version{}, false
	}
	return Version{major, minor}, true
}

// number parses the decimal number at the start of a text.
func number(s string) (n int, rest string, ok bool) {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		n = n*10 + int(s[i]-'0')
		if i++; i > 6 {
			return 0, s, false
		}
	}
	return n, s[i:], i > 0
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// Kernel is the version and the release of the kernel, as returned by uname(2), which
// may be changed by personality(2) or by a sandbox that is not Linux. ok is false if it
// is not a version of Linux.
func Kernel() (v Version, release string, ok bool) {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return Version{}, "", false
	}
	release = unix.ByteSliceToString(u.Release[:])
	v, ok = ParseVersion(release)
	return v, release, ok
}

// CheckFloor returns an [ErrNotSupported] on a kernel that is older than [Floor]. A
// kernel whose version cannot be determined passes: what it lacks will show.
func CheckFloor() error {
	if v, release, ok := Kernel(); ok && !v.AtLeast(Floor) {
		return cause.Because(cause.KernelVersion, NotSupported(fmt.Errorf("needs Linux %v; this is %s", Floor, release)))
	}
	return nil
}
