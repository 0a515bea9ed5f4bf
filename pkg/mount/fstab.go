package mount

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"hk/pkg/getopt"
)

// A fstabLine is a line of an fstab(5) file: its six fields, decoded.
type fstabLine struct {
	number                       int // from 1 on
	spec, file, vfstype, mntopts string
	freq, passno                 uint64
}

// parseFstab parses fstab(5). The options may be omitted, which means "defaults", and
// so may the two numbers, which means 0. An error names the line.
func parseFstab(text string) ([]fstabLine, error) {
	var lines []fstabLine
	for i, line := range strings.Split(text, "\n") {
		fields := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' })
		if len(fields) == 0 || fields[0][0] == '#' {
			continue
		}
		l, err := parseFstabLine(fields)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		l.number = i + 1
		lines = append(lines, l)
	}
	return lines, nil
}

func parseFstabLine(fields []string) (l fstabLine, err error) {
	if len(fields) < 3 || len(fields) > 6 {
		return l, fmt.Errorf("%d fields: a line has a source, a directory, a type, options and two numbers", len(fields))
	}
	l.mntopts = "defaults"
	for i, to := range []*string{&l.spec, &l.file, &l.vfstype, &l.mntopts} {
		if i == len(fields) {
			return l, nil
		}
		if *to, err = decodeOctal(fields[i]); err != nil {
			return l, err
		}
	}
	for i, to := range []*uint64{&l.freq, &l.passno} {
		if i+4 == len(fields) {
			return l, nil
		}
		if *to, err = strconv.ParseUint(fields[i+4], 10, 31); err != nil {
			return l, fmt.Errorf("field %d: %q is not a number", i+5, fields[i+4])
		}
	}
	return l, nil
}

// decodeOctal replaces a backslash and three octal digits by that byte, as getmntent(3)
// does. Any other backslash stands for itself.
func decodeOctal(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				c, i = byte(n), i+3
			}
		}
		if c == 0 {
			return "", fmt.Errorf("a null byte in %q", s)
		}
		b.WriteByte(c)
	}
	return b.String(), nil
}

// String prints the line so that parsing it gives the same line.
func (l fstabLine) String() string {
	encode := strings.NewReplacer(" ", `\040`, "\t", `\011`, "\n", `\012`, `\`, `\134`, "#", `\043`).Replace
	return fmt.Sprintf("%s %s %s %s %d %d", encode(l.spec), encode(l.file), encode(l.vfstype), encode(l.mntopts), l.freq, l.passno)
}

// fstabOptions are the options of a line that are not passed to the file system.
type fstabOptions struct {
	bind, recursive bool
	noauto, nofail  bool
	// rest are attributes and options of the file system.
	rest []string
}

// options removes the options that mount(8) interprets itself.
func (l fstabLine) options() (o fstabOptions, err error) {
	for _, option := range getopt.Value(l.mntopts).Split(',') {
		w := string(option)
		key, value, given := strings.Cut(w, "=")
		switch w {
		case "":
			return o, errors.New("an empty option")
		case "defaults", "auto", "nouser", "async", "_netdev", "X-mount.mkdir":
		case "bind", "rbind":
			o.bind, o.recursive = true, w == "rbind"
		case "noauto":
			o.noauto = true
		case "nofail":
			o.nofail = true
		case "user", "users":
			o.rest = append(o.rest, "noexec", "nosuid", "nodev")
		case "owner", "group":
			o.rest = append(o.rest, "nosuid", "nodev")
		default:
			switch {
			case strings.Contains(w, `"`):
				return o, fmt.Errorf("option %s: quotes are not supported", w)
			case strings.HasPrefix(w, "x-"), key == "comment", key == "X-mount.mkdir" && given && value != "":
			case key == "X-mount.idmap":
				o.rest = append(o.rest, "idmap="+value)
			case strings.HasPrefix(w, "X-mount."):
				return o, fmt.Errorf("unknown option %q", w)
			case strings.HasPrefix(w, "X-"):
			default:
				o.rest = append(o.rest, w)
			}
		}
	}
	return o, nil
}

// maxFstab is the maximum size of an fstab(5) file: each line is ten ops or more.
const maxFstab = 256 << 10

// fstab makes the mounts listed in a file, as far as mount(8) -a would.
func (b *builder) fstab(file string) error {
	text, err := b.read(file, maxFstab)
	if err != nil {
		return err
	}
	lines, err := parseFstab(string(text))
	if err != nil {
		return err
	}
	for _, l := range lines {
		b.For(fmt.Sprintf("--fstab %s: line %d", file, l.number))
		if err := b.fstabLine(l); err != nil {
			return fmt.Errorf("line %d: %w", l.number, err)
		}
	}
	return nil
}

func (b *builder) fstabLine(l fstabLine) error {
	o, err := l.options()
	options := literal(o.rest)
	var over layers
	needs := []string{l.spec} // what must exist
	switch {
	case err != nil:
		return err
	case o.noauto:
		b.Note(fmt.Sprintf("%s: %s is noauto and skipped", b.Plan.For, l.file))
		return nil
	case l.vfstype == "swap":
		return errors.New("swap is for the whole system: remove the line, or make it noauto")
	case !strings.HasPrefix(l.file, "/"):
		return fmt.Errorf("%q is not an absolute path", l.file)
	case o.bind:
	case l.vfstype == "auto" || l.vfstype == "none":
		return fmt.Errorf("type %s: the type of the file system must be given", l.vfstype)
	case l.vfstype == "overlay":
		if over, o.rest, err = fstabLayers(o.rest); err != nil {
			return err
		}
		needs = over.dirs()
	case !strings.HasPrefix(l.spec, "/"):
		needs = nil
	}
	if tag, _, ok := strings.Cut(l.spec, "="); ok && len(needs) == 0 && slices.Contains(tags, tag) {
		return fmt.Errorf("%s: devices are not searched for by %s: give a path, as in /dev/disk", l.spec, tag)
	}
	for _, p := range needs {
		switch _, err := b.source(p); {
		case o.nofail && errors.Is(err, fs.ErrNotExist):
			b.Skip(fmt.Sprintf("%s: %s: %v", b.Plan.For, p, err))
			return nil
		case o.bind && err != nil:
			return fmt.Errorf("%s: %w", p, err)
		}
	}
	switch kind := EntryKind(l.vfstype); {
	case o.bind:
		if !o.recursive {
			options = strings.TrimPrefix(options+",norec", ",")
		}
		return b.bind(Entry{Kind: Bind, Source: l.spec, Target: l.file, Options: options})
	case kind == "overlay":
		attrs, rest, err := parseAttrs(literal(o.rest), nosuidNodev)
		if err != nil {
			return err
		}
		return b.overlayOf(over, l.file, attrs.Set, parameters(rest)...)
	case fstypeOf(kind) != nil:
		return b.filesystem(Entry{Kind: kind, Target: l.file, Options: options})
	}
	return b.anyFilesystem(l.vfstype, l.spec, l.file, options)
}

// literal prints options for an [Entry]. In the options of an fstab(5) file a backslash
// stands for itself, also before a comma, except in the layers of an overlay.
func literal(options []string) string {
	return getopt.JoinList(strings.Split(strings.Join(options, ","), ","))
}

// tags are the tags by which fstab(5) can name a device.
var tags = []string{"LABEL", "UUID", "PARTLABEL", "PARTUUID", "ID"}

// fstabLayers removes the layers of an overlay from its options.
func fstabLayers(options []string) (l layers, rest []string, err error) {
	var ours []string
	for _, o := range options {
		switch key, value, _ := strings.Cut(o, "="); key {
		case "lowerdir", "upperdir", "workdir":
			ours = append(ours, strings.TrimSuffix(key, "dir")+"="+value)
		default:
			rest = append(rest, o)
		}
	}
	if len(ours) > 0 {
		l, err = parseLayers(strings.Join(ours, ","))
	}
	return l, rest, err
}
