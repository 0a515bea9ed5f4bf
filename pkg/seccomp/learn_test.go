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

// TestLearnTogether checks that runs which end at the same time lose nothing of
// each other.
func TestLearnTogether(t *testing.T) {
	file := filepath.Join(t.TempDir(), "p.json")
	var names []string
	errs := make(chan error)
	for _, name := range strings.Fields("accept bind chdir close connect dup fstat getpid kill link listen lseek mkdir open pipe poll read stat wait4 write") {
		names = append(names, name)
		go func() {
			l, err := (&Filter{Learn: file}).learner()
			if err == nil {
				err = l.Open()
			}
			if err == nil {
				defer l.Close()
				l.recording.Add(filter.X86_64, name, 0)
				_, err = l.write()
			}
			errs <- err
		}()
	}
	for range names {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !bytes.Contains(data, []byte(`"`+name+`"`)) {
			t.Errorf("%s is lost", name)
		}
	}
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
