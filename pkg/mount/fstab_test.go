package mount

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestParseFstab(t *testing.T) {
	for _, c := range []struct {
		text string
		want []fstabLine
		err  string
	}{
		{text: ""},
		{text: "# a comment\n\n   \t\n  # another\n"},
		{text: "/a /b ext4", want: []fstabLine{{1, "/a", "/b", "ext4", "defaults", 0, 0}}},
		{text: "#\n\t/a\t \t/b  ext4\tro,noatime 1 2 \n", want: []fstabLine{{2, "/a", "/b", "ext4", "ro,noatime", 1, 2}}},
		{text: `/a\040b /c\011d\134e none bind 0`, want: []fstabLine{{1, "/a b", "/c\td\\e", "none", "bind", 0, 0}}},
		{text: `//srv\share /x\04 cifs \400,\08`, want: []fstabLine{{1, `//srv\share`, `/x\04`, "cifs", `\400,\08`, 0, 0}}},
		{text: `\043a /b tmpfs`, want: []fstabLine{{1, "#a", "/b", "tmpfs", "defaults", 0, 0}}},
		{text: "/a /b", err: "line 1: 2 fields: a line has"},
		{text: "\n/a /b ext4 rw 0 0 # no", err: "line 2: 8 fields: a line has"},
		{text: "/a /b ext4 rw x", err: `line 1: field 5: "x" is not a number`},
		{text: "/a /b ext4 rw 0 -1", err: `line 1: field 6: "-1" is not a number`},
		{text: `/a\000 /b ext4`, err: "line 1: a null byte"},
	} {
		got, err := parseFstab(c.text)
		switch {
		case c.err != "":
			if err == nil || !strings.HasPrefix(err.Error(), c.err) {
				t.Errorf("parseFstab(%q): %v; want %s...", c.text, err, c.err)
			}
		case err != nil || !slices.Equal(got, c.want):
			t.Errorf("parseFstab(%q) = %v, %v; want %v", c.text, got, err, c.want)
		}
	}
}

func TestFstabOptions(t *testing.T) {
	for _, c := range []struct {
		text string
		want fstabOptions
		err  string
	}{
		{text: "defaults,auto,nouser,async,_netdev,comment=x,x-systemd.automount,x-a=b,X-b,X-mount.mkdir=755"},
		{text: "rbind,ro,noauto,nofail", want: fstabOptions{bind: true, recursive: true, noauto: true, nofail: true, rest: []string{"ro"}}},
		{text: "bind,users,exec", want: fstabOptions{bind: true, rest: []string{"noexec", "nosuid", "nodev", "exec"}}},
		{text: `lowerdir=/a\,b:/c,group`, want: fstabOptions{rest: []string{`lowerdir=/a\,b:/c`, "nosuid", "nodev"}}},
		{text: "ro,,rw", err: "an empty option"},
		{text: "X-mount.owner=1", err: `unknown option "X-mount.owner=1"`},
		{text: `context="a,b"`, err: "quotes"},
	} {
		got, err := fstabLine{mntopts: c.text}.options()
		switch {
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("options of %q: %v; want %s", c.text, err, c.err)
			}
		case err != nil || !reflect.DeepEqual(got, c.want):
			t.Errorf("options of %q = %+v, %v; want %+v", c.text, got, err, c.want)
		}
	}
}

// FuzzFstab checks that lines that can be read are printed as lines that read
// the same.
func FuzzFstab(f *testing.F) {
	f.Add("# x\n/dev/sda1 / ext4 defaults 0 1\n\n/a\\040b /c none bind,nofail\n")
	f.Add(`\043 \134040 \011 \012`)
	f.Fuzz(func(t *testing.T, text string) {
		lines, err := parseFstab(text)
		if err != nil {
			return
		}
		for _, l := range lines {
			again, err := parseFstab(l.String())
			if err != nil || len(again) != 1 {
				t.Fatalf("%q prints as %q, which reads as %v, %v", l, l.String(), again, err)
			}
			if again[0].number = l.number; again[0] != l {
				t.Fatalf("%+v prints as %q, and that reads as %+v", l, l.String(), again[0])
			}
			l.options()
		}
	})
}
