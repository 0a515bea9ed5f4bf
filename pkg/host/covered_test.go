package host

import (
	"slices"
	"testing"
)

func TestCoversIn(t *testing.T) {
	const root = "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
	const proc = "22 21 0:5 / /proc rw,nosuid - proc proc rw\n"
	for _, c := range []struct {
		name, table string
		want        []string
		mounted     bool
	}{
		{"nothing", "", nil, false},
		{"no procfs", root, nil, false},
		{"visible", root + proc, nil, true},
		{"binfmt_misc hides nothing", root + proc + "23 22 0:6 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw\n", nil, true},
		{"a container", root + proc + "23 22 0:5 /sys /proc/sys ro - proc proc rw\n24 22 0:7 / /proc/acpi ro - tmpfs tmpfs ro\n",
			[]string{"/proc/sys", "/proc/acpi"}, true},
		{"mounted over again", root + proc + "23 22 0:7 / /proc/acpi ro - tmpfs tmpfs ro\n25 22 0:9 / /proc rw - proc proc rw\n", nil, true},
		{"a part of one", root + "22 21 0:5 /sys /proc rw - proc proc rw\n", nil, false},
		{"another file system", root + "22 21 0:9 / /proc rw - tmpfs tmpfs rw\n", nil, false},
		{"in another place", root + proc + "23 21 0:7 / /process rw - tmpfs tmpfs rw\n", nil, true},
	} {
		if list, mounted := coversIn(c.table); !slices.Equal(list, c.want) || mounted != c.mounted {
			t.Errorf("%s: coversIn() = %q, %v; want %q, %v", c.name, list, mounted, c.want, c.mounted)
		}
	}
}
