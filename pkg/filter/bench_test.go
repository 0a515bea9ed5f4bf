package filter

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// coldEnv makes the test program one that loads the podman profile, says how
// long that took, and ends.
const coldEnv = "HK_TEST_SECCOMP_COLD"

func TestMain(m *testing.M) {
	if how := os.Getenv(coldEnv); how != "" {
		if err := cold(how); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// cold prints nanoseconds: to read the profile, to have the filter, and until it
// is loaded.
func cold(how string) error {
	runtime.LockOSThread()
	start := time.Now()
	var code []unix.SockFilter
	var err error
	var read time.Duration
	if how == "built in" {
		code, err = BuiltinFilter("podman", here(0))
	} else {
		var p *Policy
		if p, err = Builtin("podman", here(0)); err == nil {
			read = time.Since(start)
			code, err = Compile(p)
		}
	}
	if err != nil {
		return err
	}
	had := time.Since(start)
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	if _, e := attach(code, 0); e != 0 {
		return e
	}
	all := time.Since(start)
	fmt.Println(read.Nanoseconds(), had.Nanoseconds(), all.Nanoseconds())
	return nil
}

// BenchmarkPodman is what the podman profile costs a new process, to have it as a
// filter and to load it, and a call under it: instructions, over all calls.
func BenchmarkPodman(b *testing.B) {
	ask := libseccomp(b)
	native := here(0).Arch
	p, err := Builtin("podman", here(0))
	if err != nil {
		b.Fatal(err)
	}
	code, err := BuiltinFilter("podman", here(0))
	if err != nil {
		b.Fatal(err)
	}
	report := func(b *testing.B, code []unix.SockFilter, took []time.Duration) {
		slices.Sort(took)
		sum := 0
		for _, c := range native.table {
			sum += steps(code, native.Audit, c.nr, [6]uint64{})
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(took[len(took)/2])/1e6, "ms-cold")
		b.ReportMetric(float64(len(code)), "instructions")
		b.ReportMetric(float64(sum)/float64(len(native.table)), "executed/call")
	}
	for _, how := range []string{"built in", "compiled"} {
		b.Run(strings.ReplaceAll(how, " ", "-"), func(b *testing.B) {
			var took []time.Duration
			var read, compiled time.Duration
			for range b.N {
				cmd := exec.Command("/proc/self/exe")
				cmd.Env = append(os.Environ(), coldEnv+"="+how)
				out, err := cmd.Output()
				if err != nil {
					b.Fatal(err)
				}
				var at, had, all time.Duration
				if _, err := fmt.Sscan(string(out), &at, &had, &all); err != nil {
					b.Fatal(err)
				}
				read += at
				compiled += had - at
				took = append(took, all)
			}
			report(b, code, took)
			b.ReportMetric(float64(read)/float64(b.N)/1e6, "ms-read")
			b.ReportMetric(float64(compiled)/float64(b.N)/1e6, "ms-compile")
		})
	}
	b.Run("libseccomp", func(b *testing.B) {
		theirs, err := Decode([]byte(ask("filter", p.text())))
		if err != nil {
			b.Fatal(err)
		}
		var took []time.Duration
		for range b.N {
			var ns time.Duration
			if _, err := fmt.Sscan(ask("time", p.text()), &ns); err != nil {
				b.Fatal(err)
			}
			took = append(took, ns)
		}
		report(b, theirs, took)
	})
}
