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

// TestTmpfsLimits checks that a limit of a tmpfs that would be none to the kernel is an
// error. The kernel takes the lowest 64 bits of a number.
func TestTmpfsLimits(t *testing.T) {
	const zero, large, nan = "to the kernel 0 means no limit", "it is too large for the kernel",
		"not a number, with k, m, g, t, p or e, or a percentage"
	for _, c := range []struct{ option, want string }{
		{"size=1", ""}, {"size=64M", ""}, {"size=1g", ""}, {"size=0x1e", ""}, {"size=0x1ek", ""}, {"size=010K", ""},
		{"size=7e", ""}, {"size=9223372036854775807", ""}, {"size=50%", ""}, {"size=1000%", ""},
		{"nr_blocks=1", ""}, {"nr_inodes=2k", ""}, {"mode=0", ""}, {"uid=0", ""},

		{"size=0", zero}, {"size=0k", zero}, {"size=0x0", zero}, {"size=00", zero}, {"size=0%", zero},
		{"nr_blocks=0", zero}, {"nr_inodes=0", zero}, {"nr_inodes=0G", zero},
		{"size=9223372036854775808", large}, {"size=8e", large}, {"size=16E", large}, {"size=0x8000000000000000", large},
		{"size=18446744073709551615", large}, {"size=18446744073709551616", large}, {"size=18446744073709551617", large},
		{"size=0x1ffffffffffffffff", large}, {"nr_blocks=18446744073709551617", large}, {"nr_inodes=16777216t", large},
		{"size=1001%", large}, {"size=18446744073709551617%", large},
		{"size=x", nan}, {"size=-1", nan}, {"size=+1", nan}, {"size= 1", nan}, {"size=1kk", nan}, {"size=k", nan}, {"size=%", nan},
		{"size=1k%", nan}, {"size=1.5G", nan}, {"size=08", nan}, {"size=0x", nan}, {"size=1_000", nan}, {"size=1 ", nan},
		{"nr_blocks=5%", "only size can be a percentage"}, {"nr_inodes=5%", "only size can be a percentage"},
	} {
		key, value, _ := strings.Cut(c.option, "=")
		want := c.want
		if want != "" {
			want = "option " + c.option + ": " + want
		}
		if err := checkTmpfs(key, value); want != "" && (err == nil || err.Error() != want) || want == "" && err != nil {
			t.Errorf("checkTmpfs(%s) = %v; want %q", c.option, err, want)
		}
	}
	for _, flags := range []string{"--tmpfs /t:size=0", "--fs tmpfs:none:/t:size=0", "--root-tmpfs size=0",
		"--writable-root=nr_inodes=0", "--ephemeral /srv --root-tmpfs size=0%"} {
		var set getopt.Flags
		m := &Mounts{}
		m.Flags(&set)
		_, err := set.Parse(strings.Fields(flags))
		if err == nil {
			_, err = picture(t, flags)
		}
		if err == nil || !strings.Contains(err.Error(), zero) {
			t.Errorf("%s: %v; want an error with %q", flags, err, zero)
		}
	}
}
