package bisect

import (
	"strings"
	"testing"

	"hk/pkg/chain"
)

// words makes a subject of stages and their flags, as they are printed.
func subjectOf(text string) *subject {
	s := &subject{find: &chain.Finder{}, payload: []string{"true"}, onePlan: true}
	for _, one := range strings.Split(text, " | ") {
		fields := strings.Fields(one)
		st := stageWords{name: fields[0]}
		for _, f := range fields[1:] {
			st.words = append(st.words, split(st.name, f))
		}
		s.stages = append(s.stages, st)
	}
	s.mounts, s.nets = strings.Contains(text, "--mount"), strings.Contains(text, "--net")
	return s
}

// TestBuild takes away parts, by the texts that name them. What would be done to the host
// without them goes too.
func TestBuild(t *testing.T) {
	for _, c := range []struct{ chain, without, want string }{
		{"hk-seccomp --deny=a,b,c", "hk-seccomp --deny=b", "hk-seccomp --deny=a,c"},
		{"hk-seccomp --deny=a,b:ENOSYS --deny=c:ENOSYS", "hk-seccomp --deny=a:ENOSYS --deny=c:ENOSYS", "hk-seccomp --deny=b:ENOSYS"},
		{"hk-seccomp --deny=ioctl(arg1==1|2),b", "hk-seccomp '--deny=ioctl(arg1==1|2),b'", ""},
		{"hk-seccomp --allow=a,b", "hk-seccomp --allow=a,b", ""},
		{"hk-seccomp | hk-setuser --caps=none", "hk-seccomp", "hk-setuser --caps=none"},
		{"hk-unshare --user | hk-idmap --uid=5", "hk-idmap --uid=5", "hk-unshare --user hk-idmap"},
		{"hk-unshare --user | hk-idmap --uid=5", "hk-idmap", "hk-unshare --user"},
		{"hk-unshare --user --mount | hk-mount --in-place --tmpfs=/t", "hk-unshare --mount", "hk-unshare --user"},
		{"hk-unshare --user --mount | hk-mount --in-place --tmpfs=/t", "hk-unshare --user --mount", ""},
		{"hk-unshare --user --mount | hk-mount --tmpfs=/t", "hk-unshare --mount", "hk-unshare --user hk-mount --tmpfs=/t"},
		{"hk-mount --in-place --tmpfs=/t", "", "hk-mount --in-place --tmpfs=/t"},
		{"hk-unshare --user --net | hk-net --loopback | hk-seccomp", "hk-unshare --net", "hk-unshare --user hk-seccomp"},
	} {
		s := subjectOf(c.chain)
		without := map[part]bool{}
		for i, st := range s.stages {
			for _, p := range s.parts(i) {
				one := strings.Join(s.names(map[part]bool{p: true}), " ")
				without[p] = one == c.without || len(st.words) > 0 && p.flag >= 0 && strings.HasPrefix(c.without, st.name) &&
					strings.Contains(c.without+" ", strings.TrimPrefix(one, st.name)+" ")
			}
		}
		if got := strings.Join(s.build(without, nil), " "); got != c.want {
			t.Errorf("%s without %s = %q; want %q", c.chain, c.without, got, c.want)
		}
	}
}

func TestExpectation(t *testing.T) {
	for _, c := range []struct {
		text, status, output string
		bad                  bool
	}{
		{"0", "exit status 0", "", false}, {"255", "exit status 255", "", false}, {"256", "", "", true}, {"", "", "", true}, {"text:", "", "", true},
		{"SIGTERM", "killed by SIGTERM", "", false}, {"SIGNOT", "", "", true}, {"SIGNAL LOST", "", "SIGNAL LOST", false}, {"text:SIGNOT", "", "SIGNOT", false}, {"text:0", "", "0", false}, {"text:SIGTERM", "", "SIGTERM", false},
		{"a b", "", "a b", false}, {"-1", "", "-1", false},
	} {
		got, err := parseExpectation(c.text)
		if (err != nil) != c.bad || err == nil && (got != expectation{c.status, c.output}) {
			t.Errorf("parseExpectation(%q) = %+v, %v; want %q, %q", c.text, got, err, c.status, c.output)
		}
	}
}

// TestMultiplied doubles each number of a limit, and leaves the rest of the flag.
func TestMultiplied(t *testing.T) {
	for _, c := range []struct {
		flag, want string
		factor     int64
	}{
		{"--nofile=10", "--nofile=20", 2}, {"--nofile=10:unlimited", "--nofile=40:unlimited", 4}, {"--as=1.5G", "--as=3G", 2}, {"--wall=500ms", "--wall=4000ms", 8},
		{"--cpus=0.3", "--cpus=0.6", 2}, {"--as=99999999999999999999", "--as=199999999999999999998", 2},
	} {
		if got := multiplied(c.flag, c.factor); got != c.want {
			t.Errorf("multiplied(%s, %d) = %s; want %s", c.flag, c.factor, got, c.want)
		}
	}
}
