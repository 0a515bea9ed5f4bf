package inspect

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// hostile is a text that a process may have chosen for a name: each of its lines, and what a
// shell would substitute, executes a program.
const hostile = "\nmark\n$(mark)`mark`'\nmark '\"\\\x1b]0;x\a\r\u202e\nmark\n"

// fill replaces all texts in a value.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			fill(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			at := reflect.New(v.Type().Elem()).Elem()
			at.Set(v.MapIndex(key))
			fill(at)
			v.SetMapIndex(key, at)
		}
	case reflect.String:
		v.SetString(hostile + v.String())
	}
}

// hostiles are reports with such texts: of a process that is isolated, and of one that is not.
func hostiles(t *testing.T) (own, isolated, not *Report) {
	own, isolated = reports(t)
	isolated.links, isolated.dirs = map[string]string{hostile: hostile}, []string{hostile}
	for i := range isolated.Mounts {
		m := &isolated.Mounts[i]
		m.Source, m.Super = hostile, []string{"size=" + hostile}
		if m.At != "/" {
			m.At += hostile
		}
	}
	isolated.Root.Directory, isolated.Cgroups[0].Limits[0].Value = "/"+hostile, hostile
	isolated.Unreadable = map[string]string{"root.cwd": hostile}
	same := *own
	return own, isolated, &same
}

// TestHostileChain executes what is printed: only the stages may run, whatever the names are.
func TestHostileChain(t *testing.T) {
	dir := t.TempDir()
	for _, name := range append([]string{"mark"}, programs...) {
		text := "#!/bin/sh\n"
		if name == "mark" {
			text += ": >" + dir + "/marked\n"
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	runs := func(name, text string, want bool) {
		t.Helper()
		cmd := exec.Command("/bin/sh", "-c", text)
		cmd.Env = []string{"PATH=" + dir}
		out, _ := cmd.CombinedOutput()
		_, err := os.Stat(dir + "/marked")
		if (err == nil) != want {
			t.Errorf("%s: executed %v; want %v: %s\n%s", name, err == nil, want, out, text)
		}
		os.Remove(dir + "/marked")
		for _, r := range text {
			if !want && r != '\n' && r != '\t' && !strconv.IsPrint(r) {
				t.Errorf("%s: %q in\n%s", name, r, text)
			}
		}
	}
	runs("control", "# "+hostile, true)
	own, isolated, not := hostiles(t)
	for name, r := range map[string]*Report{"isolated": isolated, "not isolated": not} {
		for _, command := range [][]string{{hostile, hostile}, {"hk-limit", "x" + hostile, "\n"}} {
			var b strings.Builder
			r.command = command
			if err := writeChain(&b, own, r, plain); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(b.String(), "# No chain") != (r == not) {
				t.Errorf("%s:\n%s", name, &b)
			}
			runs(name, b.String(), false)
		}
	}
	for name, l := range map[string]level{
		"holds":    {comparison: comparison{marked: true, agrees: []string{hostile}, untold: []string{hostile}}},
		"differs":  {comparison: comparison{marked: true, differs: []string{hostile}}},
		"compares": {err: errNoProcfs},
	} {
		var b strings.Builder
		l.own, l.above = own, &Report{Root: &Root{Directory: hostile}}
		l.sup = &Supervisor{PID: 7, Words: []string{"/" + hostile + "/hk-limit", hostile, "hk-mount", "--", hostile}, Unsure: hostile}
		l.write(&b)
		runs(name, b.String(), false)
	}
}

// TestHostileText has no line in text that a name has begun, and nothing in it or in JSON
// that a terminal would interpret.
func TestHostileText(t *testing.T) {
	_, r, _ := hostiles(t)
	fill(reflect.ValueOf(r).Elem())
	var text, js strings.Builder
	if err := r.Text(&text, false); err != nil {
		t.Fatal(err)
	}
	if err := r.writeJSON(&js); err != nil {
		t.Fatal(err)
	}
	changes := diff(map[string]any{"root": map[string]any{hostile: hostile}}, map[string]any{"root": map[string]any{}})
	if err := (&Inspection{}).writeDiff(&text, changes, &Report{}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), `\nmark`) || !strings.Contains(js.String(), `\nmark`) {
		t.Errorf("the names are not in\n%s\n%s", &text, &js)
	}
	for _, line := range strings.Split(text.String()+js.String(), "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "mark") || strings.IndexFunc(line, func(r rune) bool { return !strconv.IsPrint(r) }) >= 0 {
			t.Errorf("the line %q", line)
		}
	}
}
