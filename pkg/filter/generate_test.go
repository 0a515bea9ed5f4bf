package filter

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestGenerated checks that the tables, the profiles and the filters are what
// the generators make of the modules that go.mod names.
func TestGenerated(t *testing.T) {
	dir := t.TempDir()
	for _, generator := range []string{"mksyscalls.go", "mkconstants.go", "mkprofiles.go"} {
		if out, err := exec.Command("go", "run", generator, "-o", dir).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", generator, err, out)
		}
	}
	made := 0
	for _, pattern := range []string{"z*.go", "profiles/*"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			name, err := filepath.Rel(dir, f)
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if want, err := os.ReadFile(name); err != nil || string(got) != string(want) {
				t.Errorf("%s is not what is generated (%v): run go generate", name, err)
			}
			made++
		}
	}
	if here, _ := filepath.Glob("profiles/*"); made != len(here)+3 {
		t.Errorf("%d files are generated; there are %d profiles and filters", made, len(here))
	}
}
