package hakoniwa

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hk/internal/profile"
	"hk/pkg/getopt"
)

// TestDocs checks that every flag and every field is in docs/hakoniwa.md, and that no
// flag is there that does not exist.
func TestDocs(t *testing.T) {
	b, err := os.ReadFile("../../docs/hakoniwa.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	var fs getopt.Flags
	(&line{}).flags(&flags{&fs})
	names := fs.Names()
	for _, name := range names {
		if !strings.Contains(text, "`--"+name) {
			t.Errorf("docs/hakoniwa.md has no `--%s`", name)
		}
	}
	// The first column has flags of hk-run.
	for _, row := range regexp.MustCompile("(?m)^\\| ((?:`[^`]*`[^|`]*|\\\\\\|)*)").FindAllStringSubmatch(text, -1) {
		for _, f := range regexp.MustCompile("--([a-z-]+)").FindAllStringSubmatch(row[1], -1) {
			if !slices.Contains(names, f[1]) {
				t.Errorf("docs/hakoniwa.md: hk-run has no flag --%s", f[1])
			}
		}
	}
	for _, field := range fields(reflect.TypeFor[profile.Profile]()) {
		if !strings.Contains(text, "`"+field+"`") {
			t.Errorf("docs/hakoniwa.md has no field `%s`", field)
		}
	}
}

// fields lists the keys of a table and of what is in it.
func fields(t reflect.Type) (list []string) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	for i := range t.NumField() {
		f := t.Field(i)
		switch tag := f.Tag.Get("toml"); {
		case tag != "" && tag != "-":
			list = append(list, tag)
			list = append(list, fields(f.Type)...)
		case f.Anonymous && tag == "":
			list = append(list, fields(f.Type)...)
		}
	}
	return list
}
