package run

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"hk/pkg/plan"
)

// TestHeapNotCopied starts a child with its own memory from a thread that the runtime has
// made. The child has nothing of the Go heap, and the program's other forks have it all.
func TestHeapNotCopied(t *testing.T) {
	if iscgo {
		t.Skip("C code may fork at any time: the heap is copied")
	}
	// More than one arena, and a thread that is not the first.
	large := make([]byte, 3*arenaSize)
	for i := 0; i < len(large); i += pageSize {
		large[i] = 1
	}
	p := newClone(plan.Caller, true)
	var here, there string
	p.AddStep(plan.Step{Stage: "test", Text: "look at the child's memory", Do: func(c plan.Context) (err error) {
		here, err = mapping(os.Getpid(), large)
		if err == nil {
			there, err = mapping(c.PID(), large)
		}
		return err
	}})
	execute(p, "/usr/bin/true")
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		_, _, err := startPlan(t, p)
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if there != "" {
		t.Errorf("the child has %q; want nothing of the heap", there)
	}
	if here == "" || strings.Contains(here, " dc") {
		t.Errorf("after the clone the heap is %q; want memory that forks copy", here)
	}
	runtime.KeepAlive(large)
}

// mapping is where a process has the memory of b, with its flags, or "".
func mapping(pid int, b []byte) (string, error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps", pid))
	if err != nil {
		return "", err
	}
	at, found := uintptr(unsafe.Pointer(&b[len(b)/2])), ""
	for line := range strings.Lines(string(maps)) {
		var low, high uintptr
		if n, _ := fmt.Sscanf(line, "%x-%x ", &low, &high); n == 2 {
			found = ""
			if low <= at && at < high {
				found = line
			}
		} else if flags, ok := strings.CutPrefix(line, "VmFlags:"); ok && found != "" {
			return found + flags, nil
		}
	}
	return "", nil
}
