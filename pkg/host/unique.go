package host

import (
	"encoding/hex"

	"golang.org/x/sys/unix"
)

// unique is 16 random bytes in hexadecimal digits.
func unique() string {
	var b [16]byte
	for n := 0; n < len(b); {
		got, err := unix.Getrandom(b[n:], 0)
		if err != nil && err != unix.EINTR {
			panic("getrandom: " + err.Error()) // a filter
		}
		n += max(got, 0)
	}
	return hex.EncodeToString(b[:])
}
