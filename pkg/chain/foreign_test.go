package chain

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"hk/pkg/getopt"
)

// TestForeign has flags of other programs named by what there is in place of them, which exists:
// in the stage, or in another one that is named before.
func TestForeign(t *testing.T) {
	for stage, flags := range map[string]string{
		"hk-unshare":  "unshare-all share-net new-session fork map-root-user map-current-user mount-proc disable-userns",
		"hk-mount":    "bind ro-bind bind-try ro-bind-try remount-ro bind-fd ro-bind-fd bind-data perms size",
		"hk-setuser":  "reuid uid clear-groups keep-groups init-groups inh-caps ambient-caps bounding-set drop cap-add nnp",
		"hk-limit":    "time timeout time_limit mem memory-max processes cgroup_pids_max",
		"hk-landlock": "rox exec read write bind-tcp connect-tcp landlock-access landlock-rule",
		"hk-seccomp":  "block drop policy filter",
	} {
		for _, name := range strings.Fields(flags) {
			fs := flagsOf(stage)
			_, err := fs.Parse([]string{"--" + name})
			text, found := "", false
			if err != nil {
				_, text, found = strings.Cut(err.Error(), ": here it is ")
			}
			if !found {
				t.Errorf("%s --%s: %v; want a flag in place of it", stage, name, err)
				continue
			}
			in := stage
			for _, word := range regexp.MustCompile(`hk-[a-z]+|--[a-z-]+`).FindAllString(text, -1) {
				if strings.HasPrefix(word, "hk-") {
					in = word
				} else if names := flagsOf(in).Names(); !slices.Contains(names, word[2:]) {
					t.Errorf("%s --%s: %q, but %s has no flag %s", stage, name, text, in, word)
				}
			}
		}
	}
	for _, letter := range []string{"r", "f", "c"} {
		if _, err := flagsOf("hk-unshare").Parse([]string{"-U" + letter}); err == nil || !strings.Contains(err.Error(), "here it is") {
			t.Errorf("hk-unshare -U%s: %v; want a flag in place of it", letter, err)
		}
	}
}

// flagsOf are the flags of a stage.
func flagsOf(stage string) *getopt.Flags {
	var fs getopt.Flags
	ByName(stage).New().Flags(&fs)
	return &fs
}
