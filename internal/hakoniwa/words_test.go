package hakoniwa

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hk/pkg/chain"
	"hk/pkg/getopt"
)

func TestReword(t *testing.T) {
	for _, test := range []struct{ stage, text, want string }{
		{"hk-mount", "--ro /a:/b,--ro=x: --rooted", "--bindmount-ro /a:/b,--bindmount-ro=x: --rooted"},
		{"hk-mount", "a file --ro", "a file --bindmount-ro"},
		{"hk-landlock", "--ro /a: open: or --ignore-missing", "--landlock-fs-ro /a: open: or ignore_missing in [landlock]"},
		{"hk-limit", "--memory-low 1, --memory 2", "--cgroup-memory-reservation 1, --cgroup-memory 2"},
		{"hk-seccomp", "execve: --profile is in /x--profile", "execve: --seccomp is in /x--profile"},
		{"hk-setuser", "a group is not mapped in this user namespace: see hk-idmap(1)", "a group is not mapped in this user namespace: --userns auto maps more"},
	} {
		if got := reword(test.stage, test.text); got != test.want {
			t.Errorf("reword(%s, %q) = %q; want %q", test.stage, test.text, got, test.want)
		}
	}
}

// TestStageFlags checks that flags of hk-run stand for flags that a stage has.
func TestStageFlags(t *testing.T) {
	own := ownFlags()
	for _, k := range chain.Kinds {
		var fs getopt.Flags
		k.New().Flags(&fs)
		names := fs.Names()
		for _, w := range stageFlags(k.Name) {
			if !slices.Contains(names, w[0][2:]) {
				t.Errorf("%s has no %s", k.Name, w[0])
			}
			if flag, _, _ := strings.Cut(w[1], " "); !slices.Contains(own, flag) {
				t.Errorf("hk-run has no %s", flag)
			}
		}
	}
}

func ownFlags() (list []string) {
	var fs getopt.Flags
	Flags(&fs)
	for _, n := range fs.Names() {
		list = append(list, "--"+n)
	}
	return list
}

// elsewhere are hints that no chain of hk-run gives.
var elsewhere = []string{"--in-place", "--join", "an ordinary user needs a user namespace", "which root has, and in a new user namespace", "--fsize of an earlier stage",
	"it must come before the stage that creates a process", "a user namespace can be created: "}

// TestHints checks that the hints of the stages name no flag that hk-run does not have, or
// say that it is one of the chain.
func TestHints(t *testing.T) {
	flag := regexp.MustCompile(`--[a-z][a-z-]*|hk-[a-z]+\(1\)`)
	literal := regexp.MustCompile(`Hint\((?:unix\.E[A-Z0-9]+|0), (?:fmt.Sprintf\(|kind\+)?"((?:[^"\\]|\\.)*)"`)
	own := ownFlags()
	found := 0
	files, err := filepath.Glob("../../pkg/*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		stage := "hk-" + filepath.Base(filepath.Dir(file))
		for _, m := range literal.FindAllStringSubmatch(string(text), -1) {
			found++
			if slices.ContainsFunc(elsewhere, func(e string) bool { return strings.Contains(m[1], e) }) {
				continue
			}
			said := reword(stage, m[1])
			for _, f := range flag.FindAllString(said, -1) {
				if !slices.Contains(own, f) && !strings.Contains(said, "the chain that --print writes") {
					t.Errorf("%s: the hint %q names %s, which hk-run does not have", file, said, f)
				}
			}
		}
	}
	if found < 50 {
		t.Errorf("%d hints; want more", found)
	}
}
