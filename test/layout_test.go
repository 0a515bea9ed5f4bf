package test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hk/internal/bisect"
	"hk/internal/bwrap"
	"hk/internal/doctor"
	"hk/internal/hakoniwa"
	"hk/internal/learn"
	"hk/internal/why"
	"hk/pkg/chain"
	"hk/pkg/getopt"
	"hk/pkg/stage"
)

// sources lists the Go files of the project, for the tests about them. They are not
// available when the tests run as an ordinary user in another directory.
func sources(t *testing.T) []string {
	if asUser {
		t.Skip("about the sources, which are not there")
	}
	var files []string
	err := filepath.WalkDir("..", func(p string, d os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(p, ".go") {
			files = append(files, strings.TrimPrefix(filepath.ToSlash(p), "../"))
		}
		return err
	})
	if err != nil || len(files) == 0 {
		t.Fatal("no sources", err)
	}
	return files
}

// packageOf is the directory of a stage's package. net is the name of a standard
// package.
func packageOf(k *stage.Kind) string {
	if k.Name == "hk-net" {
		return "pkg/netns"
	}
	return "pkg/" + strings.TrimPrefix(k.Name, "hk-")
}

// TestLayout checks that cmd/hk-X, pkg/X and docs/man/hk-X.1 correspond.
func TestLayout(t *testing.T) {
	sources(t)
	for _, k := range chain.Kinds {
		name := strings.TrimPrefix(k.Name, "hk-")
		for _, p := range []string{"cmd/hk-" + name + "/main.go", packageOf(k), "docs/man/hk-" + name + ".1"} {
			if _, err := os.Stat("../" + p); err != nil {
				t.Errorf("%s: %v", k.Name, err)
			}
		}
	}
	dirs, _ := filepath.Glob("../cmd/*")
	// Hk-run, what renders its templates, hk-bwrap, hk-why, hk-doctor, hk-bisect, hk-learn, the keeper
	// of a cgroup, and what forwards connections are not stages.
	if len(dirs) != len(chain.Kinds)+9 {
		t.Errorf("%d commands, %d kinds", len(dirs), len(chain.Kinds))
	}
	for _, f := range sources(t) {
		for _, word := range strings.Split(filepath.Dir(f), "/") {
			if slices.Contains([]string{"util", "utils", "common", "helpers", "misc"}, word) {
				t.Errorf("%s: a name that excludes nothing", f)
			}
		}
	}
}

// TestFlags checks that every flag is in the usage text and in the manual page, and
// that neither contains a flag that does not exist.
func TestFlags(t *testing.T) {
	sources(t)
	for _, k := range chain.Kinds {
		var fs getopt.Flags
		k.New().Flags(&fs)
		checkFlags(t, k.Name, fs.Names(), k.Usage)
	}
	var fs getopt.Flags
	hakoniwa.Flags(&fs)
	checkFlags(t, "hk-run", fs.Names(), hakoniwa.Usage)
	fs.Reset()
	bwrap.Flags(&fs)
	checkFlags(t, "hk-bwrap", fs.Names(), bwrap.Usage)
	fs.Reset()
	why.Flags(&fs)
	checkFlags(t, "hk-why", fs.Names(), why.Usage)
	fs.Reset()
	doctor.Flags(&fs)
	checkFlags(t, "hk-doctor", fs.Names(), doctor.Usage)
	fs.Reset()
	bisect.Flags(&fs)
	checkFlags(t, "hk-bisect", fs.Names(), bisect.Usage)
	fs.Reset()
	learn.Flags(&fs)
	checkFlags(t, "hk-learn", fs.Names(), learn.Usage)
}

var (
	inUsage = regexp.MustCompile(`(?:^|[ ,(])--([a-z0-9][a-z0-9-]*)`)
	inPage  = regexp.MustCompile(`\bFl -([a-z0-9][a-z0-9-]*)`)
)

func checkFlags(t *testing.T, program string, names []string, usage string) {
	page, err := os.ReadFile("../docs/man/" + program + ".1")
	if err != nil {
		t.Error(err)
		return
	}
	used, manual := map[string]bool{}, map[string]bool{}
	for _, m := range inUsage.FindAllStringSubmatch(usage, -1) {
		used[m[1]] = true
	}
	for _, m := range inPage.FindAllStringSubmatch(string(page), -1) {
		manual[m[1]] = true
	}
	for _, name := range names {
		if !used[name] {
			t.Errorf("%s --%s is not in the usage text", program, name)
		}
		if !manual[name] {
			t.Errorf("%s --%s is not in the manual page", program, name)
		}
	}
	for name := range used {
		if !slices.Contains(names, name) {
			t.Errorf("%s: the usage text has --%s", program, name)
		}
	}
	if n := strings.Count(usage, "\n"); n > 24 {
		t.Errorf("%s: the usage text has %d lines", program, n)
	}
}

// TestEntry checks that the tested programs start in the same way as the installed
// ones, and that the Makefile builds all programs.
func TestEntry(t *testing.T) {
	sources(t)
	b, err := os.ReadFile("../Makefile")
	if want := "LDFLAGS = -s -w -E " + entry + " "; err != nil || !strings.Contains(string(b), want) {
		t.Errorf("the Makefile has no %q: %v", want, err)
	}
	var programs []string
	for _, m := range regexp.MustCompile(`(?m)^(?:STAGES|TOOLS|HELPERS) *= (.*)$`).FindAllStringSubmatch(string(b), -1) {
		programs = append(programs, strings.Fields(m[1])...)
	}
	slices.Sort(programs)
	dirs, _ := filepath.Glob("../cmd/hk-*")
	for i, d := range dirs {
		dirs[i] = strings.TrimPrefix(d, "../cmd/hk-")
	}
	if !slices.Equal(programs, dirs) {
		t.Errorf("the Makefile names %v; cmd has %v", programs, dirs)
	}
}

// TestArchitecture checks that docs/architecture.md names each package once.
func TestArchitecture(t *testing.T) {
	sources(t)
	_, text, ok := strings.Cut(readFile(t, "../docs/architecture.md"), "\n## Layout\n")
	text, _, _ = strings.Cut(text, "\n## ")
	var named []string
	for _, m := range regexp.MustCompile(`(?m)^    (internal|pkg)/(?:\{(.*)\}|(.*?))/ `).FindAllStringSubmatch(text, -1) {
		for _, p := range strings.Split(m[2]+m[3], ",") {
			named = append(named, "../"+m[1]+"/"+p)
		}
	}
	slices.Sort(named)
	dirs, _ := filepath.Glob("../internal/*")
	more, _ := filepath.Glob("../pkg/*")
	if dirs = append(dirs, more...); !ok || !slices.Equal(named, dirs) {
		t.Errorf("it names %v; there are %v", named, dirs)
	}
}

// house says which packages of the project each package may import; "stages" stands for
// the stages.
var house = map[string]string{
	"internal/vis":        "",
	"internal/announced":  "",
	"internal/notify":     "pkg/plan",
	"internal/nofile":     "",
	"internal/exit":       "",
	"internal/entry":      "internal/exit",
	"pkg/cause":           "",
	"pkg/ids":             "",
	"pkg/ptrace":          "",
	"pkg/access":          "pkg/execdeps pkg/filter pkg/ptrace",
	"internal/learned":    "pkg/host",
	"pkg/getopt":          "internal/similar internal/vis",
	"pkg/filter":          "",
	"pkg/execdeps":        "",
	"pkg/plan":            "internal/vis pkg/cause",
	"pkg/run":             "internal/vis internal/exit internal/nofile pkg/cause pkg/execdeps pkg/plan",
	"pkg/host":            "internal/entry internal/nofile pkg/cause pkg/getopt pkg/ids",
	"pkg/stage":           "internal/vis pkg/cause pkg/getopt pkg/host pkg/ids pkg/plan",
	"stages":              "internal/announced internal/learned internal/vis pkg/access pkg/cause pkg/execdeps pkg/filter pkg/getopt pkg/host pkg/ids pkg/plan pkg/ptrace pkg/run pkg/stage",
	"pkg/chain":           "stages internal/announced internal/notify internal/similar internal/vis pkg/cause pkg/execdeps pkg/getopt pkg/host pkg/ids pkg/plan pkg/run pkg/stage",
	"internal/cli":        "internal/entry internal/exit internal/vis pkg/cause pkg/chain pkg/host pkg/plan pkg/run pkg/stage",
	"cmd":                 "internal/cli",
	"internal/similar":    "",
	"internal/profile":    "internal/similar internal/vis",
	"internal/completion": "pkg/getopt",
	"internal/bwrap":      "internal/cli pkg/cause pkg/chain pkg/getopt pkg/host pkg/ids pkg/plan stages pkg/stage",
	"cmd/hk-bwrap":        "internal/bwrap",
	"internal/systemd":    "internal/cli internal/vis pkg/chain pkg/filter pkg/getopt pkg/host pkg/plan stages pkg/stage",
	"internal/tracepoint": "",
	"internal/why":        "internal/cli internal/tracepoint internal/vis pkg/chain pkg/execdeps pkg/filter pkg/getopt pkg/host pkg/ids pkg/inspect pkg/plan pkg/ptrace pkg/run stages pkg/stage",
	"cmd/hk-why":          "internal/why",
	"internal/doctor":     "internal/cli internal/vis pkg/cause pkg/chain pkg/getopt pkg/host pkg/ids pkg/stage",
	"cmd/hk-doctor":       "internal/doctor",
	"internal/bisect":     "internal/cli internal/vis internal/why pkg/chain pkg/getopt pkg/host pkg/stage stages",
	"cmd/hk-bisect":       "internal/bisect",
	"internal/learn":      "internal/cli internal/learned internal/tracepoint internal/vis pkg/access pkg/chain pkg/filter pkg/getopt pkg/host pkg/plan pkg/ptrace pkg/stage stages",
	"cmd/hk-learn":        "internal/learn",
	// It prints the completions of all programs.
	"internal/hakoniwa": "internal/bisect internal/bwrap internal/cli internal/completion internal/doctor internal/learn internal/profile internal/systemd internal/vis internal/why pkg/chain pkg/execdeps pkg/filter pkg/getopt pkg/host pkg/ids pkg/stage stages",
	"cmd/hk-run":        "internal/hakoniwa",
	// It shares with hk-run what it prints.
	"internal/template":   "internal/profile internal/vis",
	"cmd/hk-run-template": "internal/template",
	// It shares the flags and the report of hk-limit.
	"internal/keeper":      "pkg/cause pkg/getopt stages",
	"cmd/hk-cgroup-keeper": "internal/keeper",
	"internal/forward":     "internal/vis pkg/filter",
	"cmd/hk-net-forward":   "internal/forward",
}

// TestImports checks which package imports which. So there are no cycles, no stage
// imports a stage, and there is no cgo.
func TestImports(t *testing.T) {
	rooms := map[string]string{} // by directory
	for dir := range house {
		rooms[dir] = dir
	}
	for _, k := range chain.Kinds {
		rooms[packageOf(k)] = "stages"
		rooms["cmd/"+k.Name] = "cmd"
	}
	for _, f := range sources(t) {
		dir := filepath.Dir(f)
		if strings.HasSuffix(f, "_test.go") || strings.HasPrefix(f, "test/") || strings.HasPrefix(f, "scripts/") ||
			strings.HasPrefix(filepath.Base(f), "mk") {
			continue
		}
		ast, err := parser.ParseFile(token.NewFileSet(), "../"+f, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		room, ok := rooms[dir]
		if !ok {
			t.Errorf("%s: package %s is not in the house", f, dir)
			continue
		}
		for _, im := range ast.Imports {
			path := strings.Trim(im.Path.Value, `"`)
			name, own := strings.CutPrefix(path, "hk/")
			if own && !slices.Contains(strings.Fields(house[room]), rooms[name]) || path == "C" {
				t.Errorf("%s imports %s", f, path)
			}
		}
	}
}

// TestLinks checks that no stage links what only the keeper of a cgroup or hk-run needs,
// which would double the time of a start.
func TestLinks(t *testing.T) {
	sources(t)
	if !have("go") {
		t.Skip("needs Go")
	}
	keeper := `containerd/cgroups|godbus/dbus|runtime-spec/specs-go/features|protobuf|logrus`
	for _, c := range []struct {
		dir, heavy string
		want       bool
	}{
		{"../cmd/hk-unshare", keeper + `|go-toml|internal/hakoniwa`, false}, {"../cmd/hk-limit", keeper, false},
		{"../cmd/hk-run", keeper + `|gonja|^net$|^regexp$`, false}, {"../cmd/hk-bwrap", keeper + `|go-toml|^net$|^regexp$`, false}, {"../cmd/hk-run", "go-toml", true},
		{"../cmd/hk-run-template", "gonja", true}, {"../cmd/hk-cgroup-keeper", keeper, true},
	} {
		dir, heavy, want := c.dir, regexp.MustCompile("(?m)"+c.heavy), c.want
		out, err := exec.Command("go", "list", "-deps", dir).CombinedOutput()
		if err != nil {
			t.Fatalf("go list %s: %v\n%s", dir, err, out)
		}
		if got := heavy.Match(out); got != want {
			t.Errorf("%s links %s: %v; want %v", dir, heavy, got, want)
		}
	}
}

// TestSizes checks that no file and no function is too long to keep in mind.
func TestSizes(t *testing.T) {
	for _, f := range sources(t) {
		if strings.HasPrefix(filepath.Base(f), "z") || strings.HasSuffix(f, "_test.go") {
			continue
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, "../"+f, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if n := files.File(file.Pos()).LineCount() - 1; n > 420 {
			t.Errorf("%s has %d lines", f, n)
		}
		if strings.HasPrefix(f, "scripts/") || strings.HasPrefix(f, "test/") {
			continue
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			at := files.Position(f.Pos())
			if n := files.Position(f.End()).Line - at.Line + 1; n > 60 {
				t.Errorf("%v: the function %s has %d lines", at, f.Name.Name, n)
			}
		}
	}
}
