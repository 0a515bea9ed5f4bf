package mount

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"hk/pkg/getopt"

	"golang.org/x/sys/unix"
)

// checkTmpfs rejects a limit of a tmpfs that is none to the kernel: 0, and a number of
// which the kernel takes only the lowest bits.
func checkTmpfs(key, value string) error {
	if key != "size" && key != "nr_blocks" && key != "nr_inodes" {
		return nil
	}
	n, percent, err := parseSize(value)
	switch {
	case err != nil:
		return fmt.Errorf("option %s=%s: %w", key, value, err)
	case percent && key != "size":
		return fmt.Errorf("option %s=%s: only size can be a percentage", key, value)
	case n == 0:
		return fmt.Errorf("option %s=%s: to the kernel 0 means no limit", key, value)
	case percent && n > maxPercent, n > math.MaxInt64:
		return fmt.Errorf("option %s=%s: it is too large for the kernel", key, value)
	}
	return nil
}

// maxPercent is the maximum size in percent of the physical memory: the kernel does not
// check whether the product fits into 64 bits.
const maxPercent = 1000

// parseSize parses a number as the kernel's memparse does, in decimal, octal after 0 or
// hexadecimal after 0x, with a suffix for a power of 1024; or a percentage.
func parseSize(text string) (n uint64, percent bool, err error) {
	digits, percent := strings.CutSuffix(text, "%")
	shift := 0
	if !percent && digits != "" {
		last := len(digits) - 1
		// In a hexadecimal number e is a digit.
		if i := strings.IndexByte("kmgtpe", digits[last]|0x20); i >= 0 && (i < 5 || !isHex(digits)) {
			digits, shift = digits[:last], 10*(i+1)
		}
	}
	base := 10
	switch {
	case isHex(digits):
		digits, base = digits[2:], 16
	case strings.HasPrefix(digits, "0"):
		base = 8
	}
	n, err = strconv.ParseUint(digits, base, 64)
	switch {
	case errors.Is(err, strconv.ErrRange), err == nil && bits.Len64(n)+shift > 64:
		return math.MaxUint64, percent, nil
	case err != nil:
		return 0, false, errors.New("not a number, with k, m, g, t, p or e, or a percentage")
	}
	return n << shift, percent, nil
}

func isHex(digits string) bool {
	return len(digits) > 2 && digits[0] == '0' && digits[1]|0x20 == 'x'
}

// tmpfsOptions are the attributes and the parameters of a tmpfs, with the mode 755
// unless the options have another.
func tmpfsOptions(options string, set uint64) (attrs uint64, params [][2]string, err error) {
	a, rest, err := parseAttrs(options, set)
	if err != nil {
		return 0, nil, err
	}
	params, err = fstypeOf(Tmpfs).parameters(rest)
	if !slices.ContainsFunc(params, func(p [2]string) bool { return p[0] == "mode" }) {
		params = append([][2]string{{"mode", "0755"}}, params...)
	}
	return a.Set, params, err
}

// rootTmpfs are the attributes of the root and the parameters of the tmpfs in which it,
// or what changes in it, is kept.
func (m *Mounts) rootTmpfs(set uint64) (attrs uint64, params [][2]string, err error) {
	if m.InPlace || m.Root != "" && !m.Ephemeral {
		return 0, nil, errors.New("the root is not a tmpfs")
	}
	if m.Ephemeral {
		err = keepsOnly(m.Tmpfs)
	}
	if err != nil {
		return 0, nil, err
	}
	attrs, params, err = tmpfsOptions(m.Tmpfs, set)
	if err == nil && attrs&unix.MOUNT_ATTR_RDONLY != 0 {
		err = errors.New("option ro: the root is read-only without --writable-root")
	}
	return attrs, params, err
}

// keepsOnly rejects options for the directory of a tmpfs that keeps the changes of an
// overlay, and in which no directory of that tmpfs is seen.
func keepsOnly(options string) error {
	for _, o := range getopt.List(options) {
		switch key, _, _ := strings.Cut(o, "="); key {
		case "mode", "uid", "gid":
			return fmt.Errorf("option %s: the mode and the owner are those of the lower directory", o)
		}
	}
	return nil
}
