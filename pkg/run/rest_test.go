package run

import (
	"runtime"
	"runtime/debug"
	"testing"

	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

// TestAnswer has the rest of a chain ask its supervisor, by the ops of its plan.
func TestAnswer(t *testing.T) {
	// An op that waits keeps its processor.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0))))
	// The collector would wait for it to return, and what is to answer it for the collector.
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	told, theirs, err := pair()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(theirs)
	p := plan.New()
	p.Add("test", plan.Ask(theirs)...)
	asked := make(chan error, 1)
	go func() { asked <- Exec(p, Attr{}) }()
	r := &rest{sock: told}
	if _, err := poll([]unix.PollFd{{Fd: int32(told), Events: unix.POLLIN}}, -1); err != nil {
		t.Fatal(err)
	}
	r.receive()
	if err := <-asked; err != nil || r.executes || r.payload {
		t.Errorf("Exec() of Ask = %v, and the rest is %+v; want an answer, and nothing else", err, r)
	}
	// Without an answer it waits, and it fails at the supervisor's end.
	p = plan.New()
	p.Add("test", plan.Ask(theirs)...)
	go func() { asked <- Exec(p, Attr{}) }()
	if _, err := poll([]unix.PollFd{{Fd: int32(told), Events: unix.POLLIN}}, -1); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-asked:
		t.Errorf("Exec() of Ask = %v; want it to wait", err)
	default:
	}
	unix.Close(told)
	if err := <-asked; err == nil {
		t.Error("Exec() of Ask = nil, without a supervisor; want an error")
	}
}
