package inspect

import (
	"fmt"
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

// TestDiffRows checks what people are shown: one row for what was added, removed or replaced as
// a whole, and all and none for sets of capabilities.
func TestDiffRows(t *testing.T) {
	const last = 2 // so that three are all
	const before = `{"version":1,"caps":{"permitted":["CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_DAC_READ_SEARCH"],"effective":["CAP_CHOWN"],"bounding":["CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_DAC_READ_SEARCH"]},
		"mounts":[{"at":"/","type":"ext4","source":"/dev/a","from":"/","device":"8:1","options":["rw"]},{"at":"/dev","type":"devtmpfs","source":"devtmpfs","from":"/","device":"0:6","options":["rw","relatime"]},{"at":"/same","type":"tmpfs","device":"0:7","options":["rw"]}],
		"cgroups":[{"controllers":"cpuset","path":"/a","limits":[{"group":"/","file":"cpuset.cpus","value":"0-1"}]}],
		"fds":[{"fd":0,"kind":"file"},{"fd":5,"kind":"file","access":"w","target":"/x"}]}`
	const after = `{"version":1,"caps":{"permitted":[],"effective":["CAP_DAC_OVERRIDE"],"bounding":["CAP_CHOWN"]},
		"mounts":[{"at":"/","type":"tmpfs","source":"none","from":"/","device":"0:40","options":["ro","nosuid"],"hidden":true},{"at":"/etc","type":"ext4","source":"/dev/a","from":"/etc","device":"8:1","options":["ro"]},{"at":"/same","type":"tmpfs","device":"0:7","options":["ro"]}],
		"cgroups":[{"controllers":"cpuset","path":"/a","limits":[]}],
		"fds":[{"fd":0,"kind":"pipe"}]}`
	old, err := parseReport(before)
	if err != nil {
		t.Fatal(err)
	}
	now, err := parseReport(after)
	if err != nil {
		t.Fatal(err)
	}
	want := []row{
		{"caps.bounding", "all -> CAP_CHOWN"},
		{"caps.effective", "CAP_CHOWN -> CAP_DAC_OVERRIDE"},
		{"caps.permitted", "all -> none"},
		{"mounts./", "ext4 rw /dev/a -> tmpfs ro,nosuid hidden"},
		{"mounts./dev", "devtmpfs rw,relatime -> absent"},
		{"mounts./etc", "absent -> ext4 ro /dev/a /etc"},
		{"mounts./same.options", "-rw +ro"},
		{"cgroups.cpuset.limits.cpuset.cpus", "0-1 -> absent"},
		{"fds.0.kind", "file -> pipe"},
		{"fds.5", "file w /x -> absent"},
	}
	var got []row
	for _, r := range diffRows(diff(old, now), last) {
		if r.name != "cgroups.cpuset.limits" {
			got = append(got, r)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("rows:\n%v\nwant:\n%v", got, want)
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
		changes := diff(before, after)
		for _, c := range changes {
			changeText(c)
		}
		if rows := diffRows(changes, 40); len(rows) > len(changes) || len(rows) == 0 && len(changes) > 0 {
			t.Errorf("%d rows for %d changes", len(rows), len(changes))
		}
		if same := diff(before, before); len(same) > 0 {
			t.Errorf("%q differs from itself: %v", a, same)
		}
	})
}
