package bwrap

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"hk/internal/cli"
	"hk/pkg/chain"
	"hk/pkg/host"
	"hk/pkg/stage"
	"hk/pkg/unshare"

	"golang.org/x/sys/unix"
)

// exitFailed is the exit status of every error.
const exitFailed = 1

// version is the version of bubblewrap whose options these are.
const version = "0.13.1"

// oldestKernel is the version of Linux that is needed, for --debug-opt=print-assumed-kernel.
const oldestKernel = "5.14.0"

// Main runs hk-bwrap. It does not return. Preconditions: those of [cli.Main].
func Main() { cli.MainFront("hk-bwrap", run) }

func run(f *cli.Front) int {
	l, err := parse(os.Args[1:], host.ReadArgs)
	f.Dialect = l.dialect(f)
	switch {
	case err == nil && l.Again != nil:
		if f.Host, err = l.Again.As(f.Host); err == nil && (l.prints() || l.Common.Explain != "") {
			err = cli.ErrPrints
		}
		l.Warnings = nil
	case err == errUsage:
		os.Stderr.WriteString(usage())
		return exitFailed
	case err == nil && l.prints():
		return f.Print(func(w io.Writer) error {
			_, err := io.WriteString(w, l.text())
			return err
		})
	}
	for _, w := range l.Warnings {
		f.Dialect.Warn("warning", w)
	}
	if err == nil {
		err = l.checkCaller(f.Host)
	}
	if err != nil {
		return f.Fail(exitFailed, -1, err)
	}
	return perform(f, l)
}

// text is what is printed if nothing is run.
func (l *line) text() string {
	switch {
	case l.Common.Help:
		return usage()
	case l.Common.Version:
		return fmt.Sprintf("bubblewrap %s\nhk-bwrap %s\n", version, cli.Version)
	}
	return oldestKernel + "\n"
}

// perform compiles the settings, and prints, explains or performs the chain.
func perform(f *cli.Front, l *line) int {
	stages, consumed, err := Compile(&l.Settings, f.Host)
	if err != nil {
		return f.Fail(exitFailed, -1, err)
	}
	if err := checkFilters(l.Settings.Filters); err != nil {
		return f.Fail(exitFailed, -1, err)
	}
	own := slices.Clone(l.Settings.Read)
	if f.Fused() && !l.Common.Why { // otherwise the stages take them over
		own = append(own, consumed...)
	}
	own = slices.DeleteFunc(own, func(fd int) bool { return fd <= 2 })
	l.Common.Own = append(slices.Clone(own), l.Settings.reports()...)
	c := chain.Compiled(append([]string{f.Name}, os.Args[1:]...), l.Common, stages, l.Settings.Command)
	if err := c.Check(); err != nil {
		return f.Fail(exitFailed, -1, err)
	}
	if l.Again != nil {
		return f.Again(c)
	}
	if l.Print {
		return f.Print(func(w io.Writer) error {
			_, err := io.WriteString(w, cli.Shell(c))
			return err
		})
	}
	if l.Common.Why && (l.Settings.InfoFD >= 0 || l.Settings.StatusFD >= 0 || len(l.Settings.Held) > 0) {
		return f.Fail(exitFailed, -1, errors.New("--why cannot be combined with --info-fd, --json-status-fd and --sync-fd"))
	}
	for _, fd := range own {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
			return f.Fail(exitFailed, -1, fmt.Errorf("descriptor %d: %s", fd, reason(err)))
		}
	}
	if l.Settings.InfoFD >= 0 || l.Settings.StatusFD >= 0 {
		if !f.Fused() {
			return f.Fail(exitFailed, -1, fmt.Errorf("%w: HK_FUSE=0 is set", errNeedsFused))
		}
		f.Refuses = func() error { return errNeedsFused }
		if l.report, err = newReport(&l.Settings, created(stages)); err != nil {
			return f.Fail(exitFailed, -1, err)
		}
	}
	return f.Run(c)
}

var errNeedsFused = errors.New("--info-fd and --json-status-fd need a fused chain")

// created are the namespaces that the first stage creates.
func created(stages []stage.Stage) uint64 {
	n, ok := stages[0].(*unshare.Namespaces)
	if !ok {
		return 0
	}
	return n.New | n.Try
}

// checkFilters refuses files that cannot be filters, before any of them is read.
func checkFilters(fds []int) error {
	for _, fd := range fds {
		var st unix.Stat_t
		at, err := unix.Seek(fd, 0, unix.SEEK_CUR)
		if err == nil && unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG && (st.Size-at)%8 != 0 {
			return errors.New("Invalid seccomp data, must be multiple of 8")
		}
	}
	return nil
}
