package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// learnedCaps are payloads of root, with the capabilities that they use, and what hk-why names
// without them. In each, F is the caller's file, and O one of another user that others cannot read,
// in a directory D that others cannot search.
var learnedCaps = []struct {
	run, caps, named string
}{
	{"cat F", "", ""},
	{"chown 1000 F", "chown", "CAP_CHOWN"},
	{"chmod 640 O", "fowner", "CAP_FOWNER"},
	{"cat O", "dac_read_search", "CAP_DAC_READ_SEARCH"},
	{"sh -c 'echo >>O'", "dac_override", "CAP_DAC_OVERRIDE"},
	{"cat D/f", "dac_read_search", "CAP_DAC_READ_SEARCH"},
	{"D/true", "dac_read_search", "permission denied"},
	{"chroot / true", "sys_chroot", "CAP_SYS_CHROOT"},
	{"mknod N c 1 3", "mknod", "CAP_MKNOD"},
	{"nice -n -1 true", "sys_nice", ""},
	{`perl -MSocket -e 'socket($s, 2, 1, 0) and bind($s, pack_sockaddr_in(77, inet_aton("127.77.0.1"))) or exit 1'`, "net_bind_service", "CAP_NET_BIND_SERVICE"},
	{"setpriv --reuid 1000 --clear-groups true", "setgid,setuid", "CAP_SET"},
	{"perl -e '$> = 0; $< = 0; exit !!$!'", "", ""},
	// Capabilities in a user namespace of the payload.
	{"unshare --user --map-root-user chroot / true", "setfcap", ""},
}

// TestLearnCaps learns capabilities as the kernel tells of each check, runs the payload with
// those, and then without each of them: it fails, and hk-why names it. The last run is for a
// kernel that does not tell, of which hk-learn says so.
func TestLearnCaps(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("the kernel tells root only")
	}
	require(t, "Landlock ABI 6", kernelHasLandlock(6))
	const traced = "hk-unshare --mount hk-mount --in-place --fs tracefs:tracefs:/sys/kernel/tracing -- "
	dir := t.TempDir()
	if out, status := learnRun(t, dir, strings.Fields(traced+"cat /sys/kernel/tracing/events/capability/cap_capable/format")...); status != 0 {
		t.Skip("the kernel has no tracepoint for capabilities: " + out)
	}
	for _, c := range learnedCaps {
		t.Run(c.run, func(t *testing.T) {
			program, _, _ := strings.Cut(c.run, " ")
			if !strings.Contains(program, "/") && !have(program) && !exists(filepath.Join(bin, program)) {
				require(t, program, false)
			}
			dir := t.TempDir()
			out := filepath.Join(dir, "out")
			run := strings.NewReplacer("D/", filepath.Join(dir, "D")+"/", " F", " "+filepath.Join(dir, "F"), " O", " "+filepath.Join(dir, "O"), ">O", ">"+filepath.Join(dir, "O"), " N ", " "+filepath.Join(dir, "N")+" ").Replace(c.run)
			script := func(line string) (string, int) {
				capsFixture(t, dir)
				return learnRun(t, dir, "sh", "-c", line)
			}
			text, status := script(traced + "hk-learn --out out hk-limit --core 0 -- " + run)
			want := "hk-setuser --caps=none"
			for _, name := range strings.FieldsFunc(c.caps, func(r rune) bool { return r == ',' }) {
				want += ",+" + name
			}
			chain := readFile(t, filepath.Join(out, "chain"))
			if status != 0 || !strings.Contains(text, "hk-learn: narrowed: "+want+": the kernel has told of each check") || !strings.Contains(chain, want+" ") {
				t.Fatalf("status %d:\n%s\n%s\nwant %s", status, text, chain, want)
			}
			if text, status := script("out/chain"); status != 0 {
				t.Fatalf("with what was learned: status %d:\n%s\n%s", status, text, chain)
			}
			for _, name := range strings.FieldsFunc(c.caps, func(r rune) bool { return r == ',' }) {
				less := strings.Replace(strings.Replace(chain, ",+"+name, "", -1), "\nexec ", "\nexec hk-why ", 1)
				if err := os.WriteFile(filepath.Join(dir, "less"), []byte(less), 0o755); err != nil {
					t.Fatal(err)
				}
				if text, _ := script("./less"); !strings.Contains(text, c.named) {
					t.Errorf("without %s:\n%s", name, text)
				}
			}
			text, _ = script("hk-learn --out untold hk-limit --core 0 -- " + run)
			if !strings.Contains(text, "was seen") && !exists("/sys/kernel/tracing/events") {
				t.Errorf("the kernel does not tell:\n%s", text)
			}
		})
	}
}

// capsFixture makes the files anew.
func capsFixture(t *testing.T, dir string) {
	run := `rm -rf F O D N && echo text >F && echo text >O && mkdir D && echo text >D/f && cp /bin/true D/true &&
		chmod 600 O && chown 1000 O && chown -R 1000 D && chmod 700 D`
	cmd := exec.Command("sh", "-c", run)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
}
