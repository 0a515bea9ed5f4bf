package test

import (
	"os/exec"
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
	inner := "--- FAIL: TestA (0.1s)\n    --- FAIL: TestA/x.y (0.1s)\n        --- FAIL: TestA/x.y/z#01 (0.1s)\n"
	for output, want := range map[string]string{
		inner + "FAIL\nFAIL\thk/pkg/a\t0.1s\nok  \thk/pkg/b\t0.1s\n":                                                          "hk/pkg/a\t^TestA$/^x\\.y$/^z#01$\tTestA/x.y/z#01\n",
		nested + "FAIL\nFAIL\thk/test\t300s\n":                                                                                "hk/test\tTestAsUser/^TestScripts$/^limit$\tTestScripts/limit\n",
		quiet + "FAIL\nFAIL\thk/test\t300s\n":                                                                                 "hk/test\tTestAsUser/^TestScripts$/^limit$\tTestScripts/limit\n",
		"--- FAIL: TestC (2s)\n    --- FAIL: TestC/d (1s)\nFAIL\n":                                                            "-\t^TestC$/^d$\tTestC/d\n",
		nested + "FAIL\nFAIL\thk/test\t300s\n=== NAME  TestC\n        --- FAIL: TestC/d/e (1s)\nFAIL\nFAIL\thk/pkg/a\t0.1s\n": "hk/test\tTestAsUser/^TestScripts$/^limit$\tTestScripts/limit\nhk/pkg/a\t^TestC$/^d$/^e$\tTestC/d/e\n",
		"FAIL\thk/pkg/a [build failed]\n":                                                                                     "",
		inner + "FAIL\nFAIL\thk/pkg/a\t0.1s\nFAIL\thk/pkg/b\t0.1s\n":                                                          "",
		inner + "panic: test timed out after 20m0s\nFAIL\thk/pkg/a\t1200s\n":                                                  "",
		inner + "--- FAIL: TestB\n--- FAIL: TestC\n--- FAIL: TestD\n--- FAIL: TestE\n--- FAIL: TestF\nFAIL\thk/pkg/a\t1s\n":   "",
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
