package mount

import (
	"regexp"
	"strings"
	"testing"

	"hk/pkg/getopt"
	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// given is what file systems are told, in the ops of a builder.
func given(b *builder) string {
	var words []string
	call := regexp.MustCompile(`^fsconfig\(\$fs\d*, FSCONFIG_SET_(?:STRING|FLAG), "(\w+)", (?:"(.*)"|NULL), 0\)$`)
	for _, it := range b.Plan.Items() {
		if m := call.FindStringSubmatch(it.Text()); m != nil {
			words = append(words, strings.TrimSuffix(m[1]+"="+m[2], "="))
		}
	}
	return strings.Join(words, " ")
}

func newBuilder() *builder {
	s := stage.NewState(machine())
	s.NS.New, s.NS.Mapped = unix.CLONE_NEWNS|unix.CLONE_NEWPID, true
	return &builder{State: s, root: s.Plan.NewResult("root"), tree: newDir(), attrs: map[*plan.Result]plan.MountAttr{}}
}

// TestOptions checks what of the options of a flag, with its backslashes, and of those
// of a line of an fstab(5), in which a backslash is itself, comes to the kernel. It is
// printed as strace(1) does: a backslash is two.
func TestOptions(t *testing.T) {
	for _, c := range []struct{ flag, fstab, want string }{
		{"--tmpfs=/t:size=1,mode=700", "none /t tmpfs size=1,mode=700", "size=1 mode=700"},
		{"--tmpfs=/t:mpol=bind:0-3,size=1", "none /t tmpfs mpol=bind:0-3,size=1", "mpol=bind:0-3 size=1"},
		{`--tmpfs=/t:mpol=bind\:0\,2,size=1`, "", "mpol=bind:0,2 size=1"},
		{`--fs=cifs:x:/t:user=D\\u,domain=\a`, `x /t cifs user=D\u,domain=\134a`, `source=x user=D\\u domain=\\a`},
		{`--fs=cifs:x\:y:/t:pass=a\\,b\=c=d\\\\`, `x:y /t cifs pass=a\,b=c=d\\`, `source=x:y pass=a\\ b=c=d\\\\`},
		{`--fs=cifs:x:/t:pass=a\,b`, "", "source=x pass=a,b"},
		{`--fs=x:none:/t:noexec,sync,a=`, "none /t x noexec,sync,a=", "sync a"},
		{`--overlay=/t:lower=/srv/sub:/srv,upper=/etc,work=/usr`, `none /t overlay lowerdir=/srv/sub:/srv,upperdir=/etc,workdir=/usr`,
			"lowerdir=/srv/sub:/srv upperdir=/etc workdir=/usr userxattr"},
	} {
		b := newBuilder()
		m := &Mounts{}
		var set getopt.Flags
		m.Flags(&set)
		if _, err := set.Parse([]string{c.flag}); err != nil {
			t.Fatalf("Parse(%s): %v", c.flag, err)
		}
		if err := b.entry(m.Entries[0]); err != nil || given(b) != c.want {
			t.Errorf("%s tells %s, %v; want %s", c.flag, given(b), err, c.want)
		}
		if c.fstab == "" {
			continue
		}
		lines, err := parseFstab(c.fstab)
		if err != nil {
			t.Fatal(err)
		}
		b = newBuilder()
		if err := b.fstabLine(lines[0]); err != nil || given(b) != c.want {
			t.Errorf("the line %s tells %s, %v; want %s", c.fstab, given(b), err, c.want)
		}
	}
}
