package execdeps

import (
	"cmp"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func (f *Finder) text() string {
	var list []string
	for _, file := range f.Files() {
		how := "read_file"
		if file.Execute {
			how = "execute+read_file"
		}
		list = append(list, file.Path+" "+how)
	}
	return strings.Join(list, "\n")
}

const loader = "/lib64/ld-linux-x86-64.so.2"

func TestProgram(t *testing.T) {
	lib := func(name string, needed ...string) []byte { return image{soname: name, needed: needed}.bytes() }
	prog := func(needed ...string) []byte { return image{interp: loader, needed: needed}.bytes() }
	base := map[string][]byte{
		"/usr/lib64/ld.so":                lib("ld-linux-x86-64.so.2"),
		"/lib64":                          []byte("->usr/lib64"),
		"/usr/lib64/ld-linux-x86-64.so.2": []byte("->/usr/lib64/ld.so"),
		"/usr/lib64/libc.so.6":            lib("libc.so.6", "ld-linux-x86-64.so.2"),
		"/usr/bin/env":                    prog("libc.so.6"),
		"/usr/bin/sh":                     prog("libc.so.6"),
		"/bin":                            []byte("->usr/bin"),
	}
	const (
		sh   = "/usr/bin/sh execute+read_file\n"
		env  = "/usr/bin/env execute+read_file\n"
		ld   = "/usr/lib64/ld.so execute+read_file\n"
		libc = "/usr/lib64/libc.so.6 read_file"
	)
	for _, c := range []struct {
		name, prog string
		files      map[string][]byte
		path       string
		libraries  string
		dir        string
		want       string // or the end of the error after "error: "
	}{
		{name: "static", prog: "/p", files: map[string][]byte{"/p": image{}.bytes()}, want: "/p execute+read_file"},
		{name: "static PIE", prog: "/p", files: map[string][]byte{"/p": image{dynamic: true}.bytes()}, want: "/p execute+read_file"},
		{name: "dynamic", prog: "sh", want: sh + ld + libc},
		{name: "links", prog: "/l", files: map[string][]byte{"/l": []byte("->/d/../bin/sh"), "/d": []byte("->/usr/lib64")},
			want: sh + ld + libc},
		{name: "out of the root", prog: "/l", files: map[string][]byte{"/l": []byte("->../../../../bin/sh")}, want: sh + ld + libc},
		{name: "PATH behind a link", prog: "p", path: "/near/l/../b/:/near/b", files: map[string][]byte{
			"/far/b/p": image{}.bytes(), "/near/b/p": prog(), "/near/l": []byte("->../far/a"), "/far/a/x": nil},
			want: "/far/b/p execute+read_file"},
		{name: "PATH of the working directory", prog: "p", path: "/nosuch::/x", dir: "/w", files: map[string][]byte{
			"/w/p": image{}.bytes(), "/x/p": prog()}, want: "/w/p execute+read_file"},
		{name: "loop", prog: "/l", files: map[string][]byte{"/l": []byte("->l")}, want: "error: too many levels of symbolic links"},
		{name: "script", prog: "/s", files: map[string][]byte{"/s": []byte("#! \t/bin/sh -e x\n")},
			want: "/s execute+read_file\n" + sh + ld + libc},
		{name: "script of a script", prog: "/s", files: map[string][]byte{"/s": []byte("#!/t\n"), "/t": []byte("#!/bin/sh")},
			want: "/s execute+read_file\n/t execute+read_file\n" + sh + ld + libc},
		{name: "script of itself", prog: "/s", files: map[string][]byte{"/s": []byte("#!/s\n")}, want: "error: more than 5"},
		{name: "env", prog: "/s", files: map[string][]byte{"/s": []byte("#!/usr/bin/env sh\n")},
			want: "/s execute+read_file\n" + env + ld + libc + "\n" + strings.TrimSpace(sh)},
		{name: "env -S", prog: "/s", files: map[string][]byte{"/s": []byte("#!/usr/bin/env -S -i A=b 'sh' -e\n")},
			want: "/s execute+read_file\n" + env + ld + libc + "\n" + strings.TrimSpace(sh)},
		{name: "5 scripts", prog: "/1", files: map[string][]byte{"/1": []byte("#!/2\n"), "/2": []byte("#!/3\n"), "/3": []byte("#!/4\n"),
			"/4": []byte("#!/5\n"), "/5": []byte("#!/s\n"), "/s": image{}.bytes()},
			want: "/1 execute+read_file\n/2 execute+read_file\n/3 execute+read_file\n/4 execute+read_file\n/5 execute+read_file\n/s execute+read_file"},
		{name: "6 scripts", prog: "/1", files: map[string][]byte{"/1": []byte("#!/2\n"), "/2": []byte("#!/3\n"), "/3": []byte("#!/4\n"),
			"/4": []byte("#!/5\n"), "/5": []byte("#!/6\n"), "/6": []byte("#!/s\n"), "/s": image{}.bytes()},
			want: "error: /6: interpreters of interpreters, more than 5"},
		{name: "env of itself", prog: "/bin/s", files: map[string][]byte{"/usr/bin/s": []byte("#!/usr/bin/env s\n")},
			want: "error: /bin/s: interpreters of interpreters, more than 5"},
		{name: "env in another PATH", prog: "/s", files: map[string][]byte{"/s": []byte("#!/usr/bin/env -S PATH=/x LD_LIBRARY_PATH=/l p\n"),
			"/x/p": prog("libc.so.6"), "/usr/bin/p": prog(), "/l/libc.so.6": lib("libc.so.6")},
			want: "/s execute+read_file\n" + env + ld + libc + "\n/x/p execute+read_file\n/l/libc.so.6 read_file"},
		{name: "env of nothing", prog: "/s", files: map[string][]byte{"/s": []byte("#!/usr/bin/env nosuch\n")},
			want: "error: /s: nosuch of env: no such program"},
		{name: "RPATH of who loads", prog: "/opt/x/bin/p", files: map[string][]byte{
			"/opt/x/bin/p":       image{interp: loader, needed: []string{"liba.so"}, rpath: "/nosuch:$ORIGIN/../lib"}.bytes(),
			"/opt/x/lib/liba.so": lib("liba.so", "libb.so"), "/opt/x/lib/libb.so": lib("libb.so"), "/usr/lib64/libb.so": lib("libb.so")},
			want: "/opt/x/bin/p execute+read_file\n" + ld + "/opt/x/lib/liba.so read_file\n/opt/x/lib/libb.so read_file"},
		{name: "RUNPATH is for the object alone", prog: "/opt/x/bin/p", files: map[string][]byte{
			"/opt/x/bin/p":       image{interp: loader, needed: []string{"liba.so"}, runpath: "${ORIGIN}/../lib", rpath: "/usr/lib64"}.bytes(),
			"/opt/x/lib/liba.so": lib("liba.so", "libb.so"), "/opt/x/lib/libb.so": lib("libb.so"), "/usr/lib64/libb.so": lib("libb.so"), "/usr/lib64/liba.so": lib("liba.so")},
			want: "/opt/x/bin/p execute+read_file\n" + ld + "/opt/x/lib/liba.so read_file\n/usr/lib64/libb.so read_file"},
		{name: "a RUNPATH longer than a path", prog: "/p", files: map[string][]byte{
			"/p":         image{interp: loader, needed: []string{"liba.so"}, runpath: strings.Repeat("/nosuch/nosuch:", 400) + "/l"}.bytes(),
			"/l/liba.so": lib("liba.so")},
			want: "/p execute+read_file\n" + ld + "/l/liba.so read_file"},
		{name: "LD_LIBRARY_PATH", prog: "/p", libraries: "x:/l", files: map[string][]byte{"/p": prog("libc.so.6"), "/l/libc.so.6": lib("libc.so.6")},
			want: "/p execute+read_file\n" + ld + "/l/libc.so.6 read_file"},
		{name: "LD_LIBRARY_PATH from the program's directory", prog: "/x/p", libraries: "$ORIGIN/l", files: map[string][]byte{
			"/x/p": prog("libc.so.6"), "/x/l/libc.so.6": lib("libc.so.6")},
			want: "/x/p execute+read_file\n" + ld + "/x/l/libc.so.6 read_file"},
		{name: "LD_LIBRARY_PATH from the working directory", prog: "./p", dir: "/x", libraries: "/nosuch::l", files: map[string][]byte{
			"/x/p": prog("liba.so", "libb.so"), "/x/liba.so": lib("liba.so"), "/x/l/libb.so": lib("libb.so")},
			want: "/x/p execute+read_file\n" + ld + "/x/liba.so read_file\n/x/l/libb.so read_file"},
		{name: "a variable in $ORIGIN", prog: "/$x/$LIB/p", files: map[string][]byte{
			"/$x/$LIB/p":            image{interp: loader, needed: []string{"liba.so"}, runpath: "$ORIGIN/${x}"}.bytes(),
			"/$x/$LIB/${x}/liba.so": lib("liba.so")},
			want: "/$x/$LIB/p execute+read_file\n" + ld + "/$x/$LIB/${x}/liba.so read_file"},
		{name: "$ORIGIN behind a link", prog: "/p", files: map[string][]byte{
			"/p":             image{interp: loader, needed: []string{"liba.so"}, runpath: "/near/l/../b"}.bytes(),
			"/far/b/liba.so": image{soname: "liba.so", needed: []string{"libb.so"}, runpath: "$ORIGIN"}.bytes(), "/far/b/libb.so": lib("libb.so"),
			"/near/b/liba.so": lib("liba.so"), "/near/b/libb.so": lib("libb.so"), "/near/l": []byte("->../far/a"), "/far/a/x": nil},
			want: "/p execute+read_file\n" + ld + "/far/b/liba.so read_file\n/far/b/libb.so read_file"},
		{name: "an empty RUNPATH", prog: "/p", files: map[string][]byte{
			"/p":         image{interp: loader, needed: []string{"liba.so"}, runpath: "empty", rpath: "/l"}.bytes(),
			"/l/liba.so": lib("liba.so"), "/lib/liba.so": lib("liba.so")},
			want: "/p execute+read_file\n" + ld + "/lib/liba.so read_file"},
		{name: "for abler processors", prog: "/p", libraries: "/l", files: map[string][]byte{
			"/p":                                prog("liba.so", "libb.so", "libc.so.6"),
			"/l/glibc-hwcaps/x86-64-v3/liba.so": lib("liba.so", "libd.so"),
			"/l/glibc-hwcaps/x86-64-v2/liba.so": lib("liba.so"),
			"/l/glibc-hwcaps/x86-64-v3/libb.so": lib("libb.so"), "/l/libb.so": lib("libb.so"), "/lib/libb.so": lib("libb.so"),
			"/lib/liba.so": lib("liba.so"), "/lib/glibc-hwcaps/x86-64-v2/libd.so": lib("libd.so")},
			want: "/p execute+read_file\n" + ld + "/l/glibc-hwcaps/x86-64-v3/liba.so read_file\n/l/glibc-hwcaps/x86-64-v2/liba.so read_file\n/lib/liba.so read_file\n" +
				"/l/glibc-hwcaps/x86-64-v3/libb.so read_file\n/l/libb.so read_file\n" + libc + "\n/lib/glibc-hwcaps/x86-64-v2/libd.so read_file"},
		{name: "filter", prog: "/p", files: map[string][]byte{"/p": prog("liba.so"),
			"/lib/liba.so": image{soname: "liba.so", filter: "libb.so", auxiliary: "libc.so.6"}.bytes(), "/lib/libb.so": image{soname: "libb.so", auxiliary: "libnone.so"}.bytes()},
			want: "/p execute+read_file\n" + ld + "/lib/liba.so read_file\n/lib/libb.so read_file\n" + libc},
		{name: "filter missing", prog: "/p", files: map[string][]byte{"/p": prog("liba.so"),
			"/lib/liba.so": image{soname: "liba.so", filter: "libnone.so"}.bytes()},
			want: "error: /lib/liba.so needs libnone.so: not found where the loader looks"},
		{name: "RPATH and no cache", prog: "/p", files: map[string][]byte{
			"/p":         image{interp: loader, needed: []string{"liba.so"}, runpath: "/l"}.bytes(),
			"/l/liba.so": lib("liba.so"), "/a/liba.so": lib("liba.so"), "/etc/ld.so.cache": cacheOf(cached{"liba.so", "/a/liba.so", 0})},
			want: "/p execute+read_file\n" + ld + "/l/liba.so read_file\n/etc/ld.so.cache read_file"},
		{name: "cache for abler processors", prog: "/p", files: map[string][]byte{"/p": prog("liba.so"),
			"/a/1/liba.so": lib("liba.so", "libc.so.6"), "/a/2/liba.so": lib("liba.so"),
			"/etc/ld.so.cache": cacheOf(cached{"liba.so", "/a/1/liba.so", 1 << 62}, cached{"liba.so", "/a/2/liba.so", 0})},
			want: "/p execute+read_file\n" + ld + "/a/1/liba.so read_file\n/a/2/liba.so read_file\n" + libc + "\n/etc/ld.so.cache read_file"},
		{name: "cache", prog: "/p", files: map[string][]byte{"/p": prog("liba.so", "libc.so.6"),
			"/a/1/liba.so": lib("liba.so"), "/a/2/liba.so": lib("liba.so"), "/a/3/liba.so": image{machine: 3, soname: "liba.so"}.bytes(),
			"/etc/ld.so.cache": cacheOf(cached{"liba.so", "/a/3/liba.so", 0}, cached{"liba.so", "/a/2/liba.so", 0}, cached{"liba.so", "/a/1/liba.so", 0}, cached{"libx.so", "/a/1/libx.so", 0})},
			want: "/p execute+read_file\n" + ld + "/a/2/liba.so read_file\n" + libc + "\n/etc/ld.so.cache read_file"},
		{name: "other machine first", prog: "/p", files: map[string][]byte{"/p": prog("liba.so"),
			"/lib/x86_64-linux-gnu/liba.so": image{machine: 183, soname: "liba.so"}.bytes(), "/usr/lib64/liba.so": lib("liba.so")},
			want: "/p execute+read_file\n" + ld + "/usr/lib64/liba.so read_file"},
		{name: "loaded under another name", prog: "/p", files: map[string][]byte{"/p": prog("/opt/libreal.so", "libb.so"),
			"/opt/libreal.so": lib("libname.so"), "/lib/libb.so": lib("libb.so", "libname.so")},
			want: "/p execute+read_file\n" + ld + "/opt/libreal.so read_file\n/lib/libb.so read_file"},
		{name: "library missing", prog: "/p", files: map[string][]byte{"/p": prog("liba.so"), "/lib/liba.so": lib("liba.so", "libnone.so")},
			want: "error: /lib/liba.so needs libnone.so: not found where the loader looks"},
		{name: "loader missing", prog: "/p", files: map[string][]byte{"/p": image{interp: "/lib/ld-none.so"}.bytes()},
			want: "error: /p: its loader /lib/ld-none.so: no such file or directory"},
		{name: "musl", prog: "/p", files: map[string][]byte{
			"/p":                       image{interp: "/lib/ld-musl-x86_64.so.1", needed: []string{"libc.musl-x86_64.so.1", "libm.so", "liba.so"}}.bytes(),
			"/lib/ld-musl-x86_64.so.1": lib("libc.so"), "/m/liba.so": lib("liba.so"), "/etc/ld-musl-x86_64.path": []byte("/nosuch\n/m\n")},
			want: "/p execute+read_file\n/lib/ld-musl-x86_64.so.1 execute+read_file\n/m/liba.so read_file\n/etc/ld-musl-x86_64.path read_file"},
		{name: "musl of its own", prog: "/p", libraries: "/e:$ORIGIN", files: map[string][]byte{
			"/p":                         image{interp: "/m/lib/ld-musl-x86_64.so.1", needed: []string{"liba.so", "libb.so"}, rpath: "/r", filter: "libnone.so"}.bytes(),
			"/m/lib/ld-musl-x86_64.so.1": lib("libc.so"), "/e/liba.so": lib("liba.so"), "/r/liba.so": lib("liba.so"),
			"/l/libb.so": lib("libb.so"), "/l/glibc-hwcaps/x86-64-v2/libb.so": lib("libb.so"), "/m/etc/ld-musl-x86_64.path": []byte("/l")},
			want: "/p execute+read_file\n/m/lib/ld-musl-x86_64.so.1 execute+read_file\n/e/liba.so read_file\n/l/libb.so read_file\n/m/etc/ld-musl-x86_64.path read_file"},
		{name: "missing", prog: "nosuch", want: "error: no such program"},
		{name: "relative", prog: "./sh", want: "error: a relative path, and no directory to start from"},
		{name: "directory", prog: "/usr", want: "error: /usr: not an executable file"},
		{name: "cut off", prog: "/p", files: map[string][]byte{"/p": prog("libc.so.6")[:100]}, want: "error: an ELF file that was cut off"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := map[string][]byte{}
			for _, m := range []map[string][]byte{base, c.files} {
				for name, b := range m {
					if name == "/lib64" || !strings.HasPrefix(name, "/lib64/") {
						files[name] = b
					}
				}
			}
			f := Finder{Root: tree(t, files), Env: Environment{cmp.Or(c.path, "/nosuch:/bin"), c.libraries, c.dir}}
			err := f.Program(c.prog)
			if want, ok := strings.CutPrefix(c.want, "error: "); ok {
				if err == nil || !strings.HasSuffix(err.Error(), want) {
					t.Errorf("error %v; want %s", err, want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := f.text(); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// TestAsLoader compares what is found with what the loader itself reports, for the
// programs of the machine.
func TestAsLoader(t *testing.T) {
	ld, err := filepath.EvalSymlinks(loader)
	if err != nil {
		t.Skip("missing: ", loader)
	}
	fd, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	programs, _ := filepath.Glob("/usr/bin/*")
	tried := 0
	for _, p := range programs {
		f := Finder{Root: &Root{fd: fd}}
		_, o, _, err := f.object(p)
		if err != nil || o == nil || o.interp != loader || tried == 150 {
			continue
		}
		tried++
		cmd := exec.Command(ld, "--list", p)
		cmd.Env = []string{"PATH=/usr/bin"}
		out, err := cmd.Output()
		if err != nil {
			continue // it lacks a library
		}
		want := []string{p, ld}
		for _, line := range strings.Split(string(out), "\n") {
			if _, file, ok := strings.Cut(line, " => "); ok {
				want = append(want, strings.Fields(file)[0])
			}
		}
		for i := range want {
			want[i], _ = filepath.EvalSymlinks(want[i])
		}
		if err := f.Program(p); err != nil {
			t.Errorf("Program(%s) = %v; want no error", p, err)
			continue
		}
		var got []string
		for _, file := range f.Files() {
			if !file.Optional() {
				got = append(got, file.Path)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		want = slices.DeleteFunc(want, func(p string) bool { return strings.Contains(p, "/glibc-hwcaps/") })
		if want = slices.Compact(want); !slices.Equal(got, want) {
			t.Errorf("%s: got\n%q\nthe loader says\n%q", p, got, want)
		}
	}
	if tried == 0 {
		t.Skip("missing: programs in /usr/bin that ", loader, " loads")
	}
}
