package inspect

import (
	"strings"
	"testing"
)

func TestDiff(t *testing.T) {
	const before = `{"version":1,"ids":{"uid":{"real":0},"groups":[1,2]},"caps":{"permitted":["CAP_CHOWN","CAP_KILL"],"no_new_privs":false},
		"mounts":[{"at":"/","options":["rw"]},{"at":"/a","type":"tmpfs"},{"at":"/a","type":"proc"}],"fds":[{"fd":0,"kind":"file"},{"fd":7,"kind":"pipe"}],
		"limits":{"core":{"soft":18446744073709551614,"hard":"unlimited"}},"env":{"names":[]},"cgroups":[{"controllers":"","path":"/a"}],"landlock":{"probe":[{"path":"/","access":"list","result":"ok"}]}}`
	const after = `{"version":1,"ids":{"uid":{"real":7},"groups":[1,2]},"caps":{"permitted":["CAP_KILL","CAP_SYS_ADMIN"],"no_new_privs":true},
		"mounts":[{"at":"/","options":["ro"]},{"at":"/a","type":"tmpfs"},{"at":"/a","type":"sysfs"}],"fds":[{"fd":0,"kind":"file"}],
		"limits":{"core":{"soft":18446744073709551615,"hard":"unlimited"}},"root":{"cwd":"/"},"cgroups":[{"controllers":"","path":"/b"}],
		"landlock":{"probe":[{"path":"/","access":"list","result":"EACCES"}]},"unreadable":{"env":"EACCES: permission denied"}}`
	old, err := parseReport(before)
	if err != nil {
		t.Fatal(err)
	}
	now, err := parseReport(after)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range diff(old, now) {
		got = append(got, c.Key+": "+changeText(c))
	}
	want := []string{"ids.uid.real: 0 -> 7", "caps.no_new_privs: false -> true", "caps.permitted: -CAP_CHOWN +CAP_SYS_ADMIN",
		"mounts./.options: -rw +ro", "mounts./a#2.type: proc -> sysfs", "limits.core.soft: 18446744073709551614 -> 18446744073709551615",
		"cgroups.v2.path: /a -> /b", "landlock./:list.result: ok -> EACCES", "fds.7.fd: 7 -> absent", "fds.7.kind: pipe -> absent", "env: absent -> not readable: EACCES: permission denied", "env.names: none -> absent"}
	want[7] = "landlock.probe./:list.result: ok -> EACCES"
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("diff:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if same := diff(old, old); len(same) > 0 {
		t.Errorf("with itself: %v", same)
	}
	for text, want := range map[string]string{"": "it is not what", "{}": "its version is not 1", `{"version":2}`: "its version", `{"version":1} x`: "something after it", `[1]`: "it is not what", `{"version":1`: "it is not what"} {
		if _, err := parseReport(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("parseReport(%q): %v; want %q", text, err, want)
		}
	}
}

func FuzzDiff(f *testing.F) {
	f.Add(`{"version":1,"caps":{"permitted":["CAP_CHOWN"]}}`, `{"version":1,"caps":{"permitted":[]},"mounts":[{"at":"/"},{"at":"/"}]}`)
	f.Fuzz(func(t *testing.T, a, b string) {
		before, err := parseReport(a)
		after, err2 := parseReport(b)
		if err != nil || err2 != nil {
			return
		}
		for _, c := range diff(before, after) {
			changeText(c)
		}
		if same := diff(before, before); len(same) > 0 {
			t.Errorf("%q differs from itself: %v", a, same)
		}
	})
}
