package host

import (
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestReadArgs reads each descriptor twice, as a stage and one that it executes do.
func TestReadArgs(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{"--a\x00b\x00", []string{"--a", "b"}},
		{"--a\x00b", []string{"--a", "b"}},
		{"--a\x00\x00b\n\x00", []string{"--a", "", "b\n"}},
		{"\x00", []string{""}},
		{strings.Repeat("x", 200<<10), []string{strings.Repeat("x", 200<<10)}},
	} {
		file, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		file.WriteString("before" + c.text)
		file.Seek(6, 0)
		var pipe [2]int
		if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		go func() {
			for at := 0; at < len(c.text); {
				n, _ := unix.Write(pipe[1], []byte(c.text[at:]))
				at += max(n, 0)
			}
			unix.Close(pipe[1])
		}()
		for _, fd := range []int{int(file.Fd()), pipe[0]} {
			for range 2 {
				if got, err := ReadArgs(fd); err != nil || !slices.Equal(got, c.want) {
					t.Errorf("ReadArgs() of %.20q = %.40q, %v; want %.40q", c.text, got, err, c.want)
				}
			}
		}
		file.Close()
		unix.Close(pipe[0])
	}
	if _, err := ReadArgs(9999); err != unix.EBADF {
		t.Errorf("ReadArgs() of a closed descriptor = %v; want EBADF", err)
	}
}
