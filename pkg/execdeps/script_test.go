package execdeps

import (
	"strings"
	"testing"
)

func TestShebang(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, c := range []struct{ head, interp, arg, err string }{
		{"#!/bin/sh\n", "/bin/sh", "", ""},
		{"#!/bin/sh", "/bin/sh", "", ""},
		{"#!  /bin/sh\t -e  x \t\nrest", "/bin/sh", "-e  x", ""},
		{"#!\n/bin/sh", "", "", "no interpreter after #!"},
		{"#!sh\n", "", "", `the interpreter "sh" after #! is not an absolute path`},
		{"#!/" + long, "", "", "the interpreter's name after #! is too long"},
	} {
		interp, arg, ok, err := parseShebang([]byte(c.head))
		if !ok || interp != c.interp || arg != c.arg && c.err == "" || (err != nil || c.err != "") && (err == nil || err.Error() != c.err) {
			t.Errorf("parseShebang(%.20q) = %q, %q, %v, %v; want %q, %q, error %q", c.head, interp, arg, ok, err, c.interp, c.arg, c.err)
		}
	}
	// The last byte that the kernel reads can only end a word.
	_, arg, _, err := parseShebang([]byte("#!/usr/bin/env " + long))
	if want := long[:headSize-1-len("#!/usr/bin/env ")]; arg != want || err != nil {
		t.Errorf("an argument of %d bytes, %v; want %d", len(arg), err, len(want))
	}
	exact := "#!/" + long[:headSize-4]
	if interp, _, _, err := parseShebang([]byte(exact + " " + long)); interp != exact[2:] || err != nil {
		t.Errorf("an interpreter of %d bytes, %v; want %d", len(interp), err, len(exact)-2)
	}
	for _, c := range []struct{ arg, want string }{
		{"sh", "sh"}, {"sh -e", "sh -e"}, {"-S sh -e", "sh"}, {"-Ssh", "sh"}, {"-vS A=b sh", "sh"},
		{"-S -u X -C / --unset=Y - sh", "sh"}, {`-S "a b"\_c`, "a b"}, {`-S a\ b`, "a b"}, {"--split-string=-- x", "x"},
		{"-S -- A=b -x", "-x"}, {"-S A=b -i", "-i"}, {"-S - -v", "-v"},
		{"", ""}, {"-S ${X}", ""}, {"-i", ""}, {"A=b", ""}, {"-S --block-signal sh", ""}, {"-S 'sh", ""}, {"-S # sh", ""}, {"-S -u", ""},
		{"-S '' sh", ""},
	} {
		if got, err := parseEnv(c.arg); err == nil && got.program != c.want || (err == nil) != (c.want != "") {
			t.Errorf("parseEnv(%q) = %q, %v; want %q", c.arg, got.program, err, c.want)
		}
	}
	for _, c := range []struct{ arg, want string }{
		{"-S PATH=/a:/b A=b sh", "/a:/b /l /w"}, {"-S LD_LIBRARY_PATH=/m sh", "/p /m /w"}, {"-S -i sh", "  /w"}, {"-iS sh", "  /w"},
		{"-ivS PATH=/a sh", "/a  /w"}, {"--split-string=sh", "/p /l /w"}, {"-S - sh", "  /w"}, {"-S -uPATH sh", " /l /w"},
		{"-S -u LD_LIBRARY_PATH sh", "/p  /w"}, {"-S -C x sh", "/p /l /w/x"}, {"-S -C /x sh", "/p /l /x"},
	} {
		f := &Finder{Env: Environment{"/p", "/l", "/w"}}
		got, err := parseEnv(c.arg)
		if err != nil {
			t.Errorf("parseEnv(%q) = %v; want no error", c.arg, err)
		}
		got.within(f, func() error {
			if got := f.Env.Path + " " + f.Env.LibraryPath + " " + f.Env.Dir; got != c.want {
				t.Errorf("parseEnv(%q) makes %s; want %s", c.arg, got, c.want)
			}
			return nil
		})
		if want := (Environment{"/p", "/l", "/w"}); f.Env != want {
			t.Errorf("parseEnv(%q) leaves %v; want %v", c.arg, f.Env, want)
		}
	}
}

func FuzzScript(f *testing.F) {
	f.Add("#!/usr/bin/env -S 'sh' -e\n")
	f.Fuzz(func(t *testing.T, s string) {
		interp, arg, ok, err := parseShebang([]byte(s))
		if ok && err == nil && (interp == "" || interp[0] != '/') {
			t.Fatalf("parseShebang(%q) = %q; want an absolute path", s, interp)
		}
		if c, err := parseEnv(arg); err == nil && c.program == "" {
			t.Fatalf("parseEnv(%q) = no program and no error; want one", arg)
		}
	})
}
