package seccomp

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hk/pkg/filter"

	"golang.org/x/sys/unix"
)

// TestLearnFile checks what becomes of the file: mode, merging, links, and that
// nothing else is left in its directory.
func TestLearnFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "p.json")
	learn := func(path string, nr uint32) {
		t.Helper()
		l, err := (&Filter{Learn: path}).learner()
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Open(); err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		l.recording.Call(filter.X86_64.Audit, nr, [6]uint64{})
		if _, err := l.write(); err != nil {
			t.Fatal(err)
		}
	}
	defer unix.Umask(unix.Umask(0o027))
	learn(file, 0)
	if fi, err := os.Stat(file); err != nil || fi.Mode().Perm() != 0o640 {
		t.Fatalf("Stat() = %v, %v; want mode 640", fi, err)
	}
	link := filepath.Join(dir, "link.json")
	if err := os.Symlink("p.json", link); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	learn(link, 1)
	if fi, err := os.Lstat(link); err != nil || fi.Mode()&os.ModeSymlink == 0 {
		t.Fatalf("Lstat() = %v, %v; want the link", fi, err)
	}
	data, err := os.ReadFile(file)
	if fi, _ := os.Stat(file); err != nil || fi.Mode().Perm() != 0o600 || !bytes.Contains(data, []byte(`"read"`)) || !bytes.Contains(data, []byte(`"write"`)) {
		t.Fatalf("Stat() = %v, %v; want mode 600, and read and write in %s", fi, err, data)
	}
	if names, _ := filepath.Glob(dir + "/.*"); len(names) > 0 {
		t.Errorf("left behind: %q", names)
	}
	for _, path := range []string{dir, "/no/such/p.json", "/dev/null"} {
		if _, err := (&Filter{Learn: path}).learner(); err == nil {
			t.Errorf("learner() for %s = no error; want one", path)
		}
	}
}

// TestLearnTogether checks that of runs that learn at the same time one writes the file, and
// the others say that it has changed.
func TestLearnTogether(t *testing.T) {
	file := filepath.Join(t.TempDir(), "p.json")
	var runs []*learner
	names := strings.Fields("accept bind chdir close connect dup fstat getpid")
	for _, name := range names {
		l, err := (&Filter{Learn: file}).learner()
		if err == nil {
			err = l.Open()
		}
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		l.recording.Add(filter.X86_64, name, 0)
		runs = append(runs, l)
	}
	errs := make(chan error)
	for _, l := range runs {
		go func() {
			_, err := l.write()
			errs <- err
		}()
	}
	written := 0
	for range names {
		switch err := <-errs; {
		case err == nil:
			written++
		case !strings.Contains(err.Error(), "it has changed since the start"):
			t.Error(err)
		}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range names {
		found += bytes.Count(data, []byte(`"`+name+`"`))
	}
	if written != 1 || found != 1 {
		t.Errorf("%d runs have written, and the calls of %d are there; want 1 and 1", written, found)
	}
}

// TestLearnForged writes what the payload could have written: it is not merged, and its mode
// and owner are not taken over.
func TestLearnForged(t *testing.T) {
	for _, c := range []struct {
		name    string
		before  bool
		forge   func(file string) error
		refused bool
	}{
		{"nothing", true, func(string) error { return nil }, false},
		{"nothing, of a new file", false, func(string) error { return nil }, false},
		{"another profile", true, func(file string) error { return forgedProfile(file, "mount") }, true},
		{"a profile", false, func(file string) error { return forgedProfile(file, "mount") }, true},
		{"an empty file", false, func(file string) error { return os.WriteFile(file, nil, 0o666) }, true},
		{"another mode", true, func(file string) error { return os.Chmod(file, 0o666) }, true},
		{"the same in another file", true, func(file string) error {
			data, err := os.ReadFile(file)
			if err == nil {
				err = os.Rename(file, file+"2")
			}
			if err == nil {
				err = os.WriteFile(file, data, 0o600)
			}
			return err
		}, true},
		{"it is gone", true, os.Remove, true},
	} {
		file := filepath.Join(t.TempDir(), "p.json")
		if c.before {
			if err := forgedProfile(file, "read"); err != nil {
				t.Fatal(err)
			}
		}
		l, err := (&Filter{Learn: file}).learner()
		if err == nil {
			err = l.Open()
		}
		if err == nil {
			err = c.forge(file)
		}
		if err != nil {
			t.Fatal(err)
		}
		l.recording.Add(filter.X86_64, "write", 0)
		_, err = l.write()
		l.Close()
		data, _ := os.ReadFile(file)
		if refused := err != nil; refused != c.refused || bytes.Contains(data, []byte(`"write"`)) == refused {
			t.Errorf("%s: write() = %v; want an error: %v; the file: %s", c.name, err, c.refused, data)
		}
	}
}

// forgedProfile writes a profile as a run would have written it.
func forgedProfile(file, call string) error {
	var r filter.Recording
	r.Add(filter.X86_64, call, 0)
	data, err := r.Profile(filter.X86_64)
	if err == nil {
		err = os.WriteFile(file, data, 0o600)
	}
	return err
}

// TestLearnBig checks that of a file without an end not all is read.
func TestLearnBig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "p.json")
	data, err := (&filter.Recording{}).Profile(filter.X86_64)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		size  int64
		taken bool
	}{{int64(len(data)), true}, {1 << 42, false}} {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(file, c.size); err != nil {
			t.Skip(err)
		}
		if _, err := (&Filter{Learn: file}).learner(); (err == nil) != c.taken {
			t.Errorf("learner() for %d bytes = %v; want no error: %v", c.size, err, c.taken)
		}
	}
}

// TestMergeError has what is said of a file that cannot be added to.
func TestMergeError(t *testing.T) {
	const head = `{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":1,"architectures":["SCMP_ARCH_X86_64"],"syscalls":[`
	for _, c := range []struct{ text, want string }{
		{head + `{"names":["read"],"action":"SCMP_ACT_ALLOW"}]}`, ""},
		{head + `{"names":["nosuch"],"action":"SCMP_ACT_ALLOW"}]}`, `it exists, and there is no system call "nosuch": fix it, or remove it`},
		{"text", errNotLearned.Error()},
	} {
		got := ""
		if err := mergeError((&filter.Recording{}).Merge([]byte(c.text))); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("mergeError of Merge(%s) = %q; want %q", c.text, got, c.want)
		}
	}
}
