package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestFailed holds scripts/failed, which decides what runs a second time, against what go
// test prints.
func TestFailed(t *testing.T) {
	if asUser {
		t.Skip("the scripts of the tree are not there")
	}
	nested := `=== NAME  TestAsUser
    as_user_test.go:71: as an ordinary user: exit status 1
        --- FAIL: TestScripts (0.0s)
            --- FAIL: TestScripts/limit (0.0s)
        FAIL
--- FAIL: TestAsUser (43.41s)
`
	quiet := `--- FAIL: TestAsUser (43.41s)
    as_user_test.go:71: as an ordinary user: exit status 1
        --- FAIL: TestScripts (0.0s)
            --- FAIL: TestScripts/limit (0.0s)
        FAIL
`
	// The program that runs as the user was killed after some of its tests.
	killed := func(s string) string {
		return strings.NewReplacer("exit status 1", "signal: killed", "        FAIL\n", "        === RUN   TestB\n").Replace(s)
	}
	inner := "--- FAIL: TestA (0.1s)\n    --- FAIL: TestA/x.y (0.1s)\n        --- FAIL: TestA/x.y/z#01 (0.1s)\n"
	for output, want := range map[string]string{
		inner + "FAIL\nFAIL\thk/pkg/a\t0.1s\nok  \thk/pkg/b\t0.1s\n":                                                              "hk/pkg/a\t^TestA$/^x\\.y$/^z#01$\tTestA/x.y/z#01\n",
		nested + "FAIL\nFAIL\thk/test\t300s\n":                                                                                    "hk/test\tTestAsUser/^TestScripts$/^limit$\tTestScripts/limit\n",
		quiet + "FAIL\nFAIL\thk/test\t300s\n":                                                                                     "hk/test\tTestAsUser/^TestScripts$/^limit$\tTestScripts/limit\n",
		"--- FAIL: TestC (2s)\n    --- FAIL: TestC/d (1s)\nFAIL\n":                                                                "-\t^TestC$/^d$\tTestC/d\n",
		nested + "FAIL\nFAIL\thk/test\t300s\n=== NAME  TestC\n        --- FAIL: TestC/d/e (1s)\nFAIL\nFAIL\thk/pkg/a\t0.1s\n":     "hk/test\tTestAsUser/^TestScripts$/^limit$\tTestScripts/limit\nhk/pkg/a\t^TestC$/^d$/^e$\tTestC/d/e\n",
		"FAIL\thk/pkg/a [build failed]\n":                                                                                         "",
		inner + "FAIL\nFAIL\thk/pkg/a\t0.1s\nFAIL\nFAIL\thk/pkg/b\t0.1s\n":                                                        "",
		inner + "panic: test timed out after 20m0s\nFAIL\thk/pkg/a\t1200s\n":                                                      "",
		inner + "--- FAIL: TestB\n--- FAIL: TestC\n--- FAIL: TestD\n--- FAIL: TestE\n--- FAIL: TestF\nFAIL\nFAIL\thk/pkg/a\t1s\n": "",
		// What did not run all of its tests: os.Exit, a fatal error, a signal.
		inner + "FAIL\thk/pkg/a\t0.1s\nFAIL\n":                                                                  "",
		inner + "FAIL\nFAIL\thk/pkg/a\t0.1s\n" + inner + "exit status 3\nFAIL\thk/pkg/b\t0.1s\nFAIL\n":          "",
		inner + "fatal error: all goroutines are asleep - deadlock!\nexit status 2\nFAIL\thk/pkg/a\t1s\nFAIL\n": "",
		inner + "=== RUN   TestB\nsignal: killed\nFAIL\thk/pkg/a\t1s\nFAIL\n":                                   "",
		inner + "=== RUN   TestB\n": "",
		inner + "ok  \thk/pkg/a\t1s\n" + inner + "FAIL\nFAIL\thk/pkg/b\t1s\n": "",
		inner + "FAIL\nthe tests left behind: 7 sleep\nFAIL\thk/pkg/a\t1s\n":  "",
		killed(nested) + "FAIL\nFAIL\thk/test\t300s\n":                        "",
		killed(quiet) + "FAIL\nFAIL\thk/test\t300s\n":                         "",
		strings.ReplaceAll(quiet, "        FAIL\n", "") + "FAIL\n":            "",
		"ok  \thk/pkg/a\t1s\n": "",
	} {
		cmd := exec.Command("awk", "-f", "../scripts/failed")
		cmd.Stdin = strings.NewReader(output)
		got, err := cmd.Output()
		if string(got) != want || (err != nil) != (want == "") {
			t.Errorf("%s\ngot  %q %v\nwant %q", output, got, err, want)
		}
	}
}

// TestGoTest gives scripts/go-test a go of which the first run fails: only a complete
// run is followed by a second one.
func TestGoTest(t *testing.T) {
	if asUser {
		t.Skip("the scripts of the tree are not there")
	}
	for _, c := range []struct {
		name, first, second string
		status, runs        int
	}{
		{"passes then", "--- FAIL: TestA (0s)\nFAIL\nFAIL\thk/a\t1s\n", "--- PASS: TestA (0s)\nok\n", 0, 2},
		{"is not run then", "--- FAIL: TestA (0s)\nFAIL\nFAIL\thk/a\t1s\n", "ok\n", 1, 2},
		{"ended early", "--- FAIL: TestA (0s)\nFAIL\thk/a\t1s\n", "--- PASS: TestA (0s)\nok\n", 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			script := "#!/bin/sh\necho >>" + dir + "/runs\nif mkdir " + dir + "/first 2>/dev/null; then printf '%s' '" + c.first + "'; exit 1; fi\nprintf '%s' '" + c.second + "'\n"
			if err := os.WriteFile(filepath.Join(dir, "go"), []byte(script), 0o755); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("scripts/go-test")
			cmd.Dir = ".."
			cmd.Env = append(os.Environ(), "GO="+dir+"/go")
			out, err := cmd.CombinedOutput()
			runs, _ := os.ReadFile(filepath.Join(dir, "runs"))
			if (err != nil) != (c.status != 0) || len(runs) != c.runs {
				t.Errorf("%v after %d runs; want status %d after %d\n%s", err, len(runs), c.status, c.runs, out)
			}
		})
	}
}
