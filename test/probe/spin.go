//go:build amd64 || arm64

package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// spin waits until end is not 0, with the number of a call in the registers that have that of
// a call and its result, and returns what the latter has then.
//
//go:noescape
func spin(nr uint64, end *uint32) uint64

// sent reports whether a SIGSYS sent by hand changes nothing of a thread that is not in a call.
func sent() bool {
	debug.SetGCPercent(-1) // the thread would not stop for it
	runtime.GOMAXPROCS(2)
	c := make(chan os.Signal, 1)
	signal.Notify(c, unix.SIGSYS)
	tid := unix.Gettid()
	var began, end uint32
	go func() {
		for atomic.LoadUint32(&began) == 0 {
			runtime.Gosched()
		}
		if err := unix.Tgkill(os.Getpid(), tid, unix.SIGSYS); err != nil {
			fmt.Println(err)
		}
		<-c
		atomic.StoreUint32(&end, 1)
	}()
	atomic.StoreUint32(&began, 1)
	return spin(unix.SYS_PERSONALITY, &end) == unix.SYS_PERSONALITY
}
