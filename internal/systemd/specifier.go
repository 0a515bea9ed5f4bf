package systemd

import (
	"fmt"
	"path"
	"strings"
)

// specifiers replaces %n and the others of systemd.unit(5), as the system manager does: an
// unknown one stands for itself.
func (c *compiler) specifiers(text string) (string, error) {
	if !strings.Contains(text, "%") {
		return text, nil
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			b.WriteByte(text[i])
			continue
		}
		if i++; i == len(text) {
			b.WriteByte('%')
			break
		}
		value, err := c.specifier(text[i])
		if err != nil {
			return "", err
		}
		b.WriteString(value)
	}
	return b.String(), nil
}

func (c *compiler) specifier(letter byte) (string, error) {
	stem := strings.TrimSuffix(c.unit.Name, ".service")
	prefix, instance, _ := strings.Cut(stem, "@")
	last := prefix[strings.LastIndexByte(prefix, '-')+1:]
	switch letter {
	case '%':
		return "%", nil
	case 'n':
		return c.unit.Name, nil
	case 'N':
		return stem, nil
	case 'p':
		return prefix, nil
	case 'P':
		return unescapeName(prefix), nil
	case 'i':
		return instance, nil
	case 'I':
		return unescapeName(instance), nil
	case 'j':
		return last, nil
	case 'J':
		return unescapeName(last), nil
	case 'f':
		if instance == "" {
			instance = prefix
		}
		return path.Clean("/" + unescapeName(instance)), nil
	case 'y':
		return c.unit.File, nil
	case 'Y':
		return path.Dir(c.unit.File), nil
	case 'd':
		return "/run/credentials/" + c.unit.Name, nil
	}
	for _, s := range fixed {
		if s[0][0] == letter {
			return s[1], nil
		}
	}
	return c.machineSpecifier(letter)
}

// fixed are the specifiers that are the same for every unit of the system manager: its
// user is root.
var fixed = [...][2]string{
	{"u", "root"}, {"U", "0"}, {"g", "root"}, {"G", "0"}, {"h", "/root"}, {"s", "/bin/sh"}, {"t", "/run"}, {"S", "/var/lib"}, {"C", "/var/cache"},
	{"L", "/var/log"}, {"E", "/etc"}, {"T", "/tmp"}, {"V", "/var/tmp"}, {"D", "/usr/share"},
}

const osRelease = "/etc/os-release"

// machineSpecifier is one that depends on this machine.
func (c *compiler) machineSpecifier(letter byte) (string, error) {
	file, key := "", ""
	switch letter {
	case 'H', 'l':
		file = "/proc/sys/kernel/hostname"
	case 'v':
		file = "/proc/sys/kernel/osrelease"
	case 'b':
		file = "/proc/sys/kernel/random/boot_id"
	case 'm':
		file = "/etc/machine-id"
	case 'a':
		return unitArch(c.goarch), nil
	case 'o':
		file, key = osRelease, "ID"
	case 'w':
		file, key = osRelease, "VERSION_ID"
	case 'B':
		file, key = osRelease, "BUILD_ID"
	case 'W':
		file, key = osRelease, "VARIANT_ID"
	case 'A':
		file, key = osRelease, "IMAGE_VERSION"
	case 'M':
		file, key = osRelease, "IMAGE_ID"
	default:
		return "%" + string([]byte{letter}), nil
	}
	text, err := read(c.files, file)
	if err != nil {
		return "", fmt.Errorf("%%%c: %w", letter, err)
	}
	if key != "" {
		for _, v := range parseEnvironmentFile(text) {
			if v.name == key {
				return v.value, nil
			}
		}
		return "", nil
	}
	text = strings.TrimSpace(text)
	switch letter {
	case 'b':
		text = strings.ReplaceAll(text, "-", "")
	case 'l':
		text, _, _ = strings.Cut(text, ".")
	}
	return text, nil
}

// unitArch is an architecture in the words of systemd.
func unitArch(goarch string) string {
	switch goarch {
	case "amd64":
		return "x86-64"
	case "386":
		return "x86"
	}
	return goarch
}

// unescapeName undoes systemd-escape(1): - is a slash, and \xNN a byte.
func unescapeName(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		switch {
		case name[i] == '-':
			b.WriteByte('/')
		case name[i] == '\\' && i+1 < len(name):
			text, n := unescape(name[i:])
			b.WriteString(text)
			i += n - 1
		default:
			b.WriteByte(name[i])
		}
	}
	return b.String()
}
