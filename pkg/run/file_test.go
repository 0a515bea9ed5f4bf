package run

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// small is a plan with results in arguments, in structs and in the environment, an init and a clone, to be
// kept in a file.
func small(dir string) *plan.Plan {
	p := newClone(plan.Init, true)
	p.For = "--dir"
	at := p.Open("test", "dir", plan.Openat(plan.AtCwd(), dir, unix.O_PATH|unix.O_CLOEXEC, 0))
	p.Add("test", plan.Mkdirat(plan.Ref(at), "made", 0o700).Tolerate(unix.EEXIST),
		plan.Fchdir(at), plan.Close(at).Hint(unix.EBADF, "it was open"))
	pid := p.NewResult("pid")
	p.Add("test", plan.Getpid().Gives(pid),
		plan.Execve("/bin/sh", plan.NewImage([]string{"sh", "-c", `test "$PID" = $$ && test -d made && exit 9`},
			[]string{"PATH=/usr/bin:/bin"}, plan.Changes{Set: []plan.Var{{Name: "PID", Result: pid}}})))
	return p
}

// TestFromFile starts a program in a process that has not made it, and looks for the
// words of an error there.
func TestFromFile(t *testing.T) {
	for _, dir := range []string{t.TempDir(), "/nonexist"} {
		b, err := Lay(small(dir)).MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		file := t.TempDir() + "/program"
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd, out, stderr := listener("program " + file)
		err = cmd.Run()
		want := "exit 9\n"
		if dir == "/nonexist" {
			want = `test: --dir: openat(AT_FDCWD, "/nonexist", O_RDONLY|O_CLOEXEC|O_PATH): no such file or directory` + "\n"
		}
		if err != nil || out.String() != want {
			t.Errorf("the program in %s: %v, %s%s; want %s", dir, err, out, stderr, want)
		}
	}
}

// program is TestFromFile's process: it starts a program from a file.
func program(file string) {
	runtime.LockOSThread()
	b, err := os.ReadFile(file)
	var r Program
	if err == nil {
		err = r.UnmarshalBinary(b)
	}
	var c *Process
	if err == nil {
		c, err = r.Start(Attr{})
	}
	if err == nil {
		err = c.Setup()
	}
	var e *plan.Error
	if errors.As(err, &e) {
		fmt.Println(e.Stage + ": " + e.Error())
		return
	}
	var end plan.End
	if err == nil {
		end, err = c.Wait()
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("exit", end.Status.ExitStatus())
}

func TestFileRefused(t *testing.T) {
	b, err := Lay(small("/")).MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Clone(b)
	changed[len(form)+10]++
	other := bytes.Replace(b, []byte(runtime.GOARCH), []byte("sparc"), 1)
	for name, b := range map[string][]byte{
		"nothing": nil, "cut off": b[:len(b)/2], "changed": changed, "another architecture": other, "longer": append(bytes.Clone(b), 0),
	} {
		var r Program
		if err := r.UnmarshalBinary(b); err == nil {
			t.Errorf("UnmarshalBinary of a program that is %s = nil; want an error", name)
		}
	}
	if err := new(Program).UnmarshalBinary(other); !errors.Is(err, ErrForm) {
		t.Errorf("UnmarshalBinary of another architecture = %v; want %v", err, ErrForm)
	}
	p := newClone(plan.Caller, true)
	p.AddStep(plan.Step{Stage: "test", Text: "call a function", Do: func(plan.Context) error { return nil }})
	if _, err := Lay(p).MarshalBinary(); err == nil || !strings.Contains(err.Error(), "call a function") {
		t.Errorf("MarshalBinary of a plan with a step = %v; want an error that names it", err)
	}
}

// FuzzProgram reads bytes as a program, writes it, and reads it again. What is not
// refused stays in its arena.
func FuzzProgram(f *testing.F) {
	for _, p := range []*plan.Plan{small("/"), newClone(plan.Joiner, true), newClone(plan.Caller, false)} {
		execute(p, "/bin/true")
		b, err := Lay(p).MarshalBinary()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[len(form) : len(b)-8])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = append([]byte(form), b...)
		b = binary.LittleEndian.AppendUint64(b, checksum(b))
		var first, second Program
		if first.UnmarshalBinary(b) != nil {
			return
		}
		once, err := first.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if err := second.UnmarshalBinary(once); err != nil {
			t.Fatalf("what was written is refused: %v", err)
		}
		twice, err := second.MarshalBinary()
		if err != nil || !bytes.Equal(once, twice) {
			t.Errorf("written twice it is %d and %d bytes, %v; want the same", len(once), len(twice), err)
		}
		l, err := first.lay(Attr{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range l.uses {
			for _, u := range l.uses[i] {
				store{l.at(u.addr), uintptr(u.size), l.at(u.needs)}.put(1)
			}
		}
		l.free()
	})
}
