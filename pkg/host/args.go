package host

import (
	"errors"
	"fmt"
	"strings"

	"hk/pkg/getopt"

	"golang.org/x/sys/unix"
)

// maxArgs is the maximum number of bytes of words in a descriptor.
const maxArgs = 64 << 20

// ReadArgs reads words, each of which ends in a null byte, up to the end of a descriptor.
// It can be read again, also by a program that is executed: what is not a regular file is
// replaced, under its number, by a file in memory.
func ReadArgs(fd int) ([]string, error) {
	content, err := ReadFD(fd)
	if err != nil {
		return nil, err
	}
	return splitArgs(string(content)), nil
}

// ReadFD reads up to the end of a descriptor, from where it is, and like ReadArgs leaves
// it so that it can be read again.
func ReadFD(fd int) ([]byte, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	regular := st.Mode&unix.S_IFMT == unix.S_IFREG
	content, err := readAll(fd, regular)
	if err != nil {
		return nil, err
	}
	if !regular {
		if err := replaceFile(fd, content); err != nil {
			return nil, fmt.Errorf("a copy in memory: %w", err)
		}
	}
	return content, nil
}

// FDName is the descriptor in a name of the form fd:N; ok is false for any other name.
func FDName(name string) (fd int, ok bool) {
	digits, ok := strings.CutPrefix(name, "fd:")
	if !ok {
		return 0, false
	}
	fd, err := getopt.ParseFD(digits)
	return fd, err == nil
}

// splitArgs splits at null bytes. The last word need not end in one.
func splitArgs(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\x00"), "\x00")
}

// readAll reads up to the end of a file; the offset of a regular file is not changed.
func readAll(fd int, regular bool) ([]byte, error) {
	var offset int64
	if regular {
		at, err := unix.Seek(fd, 0, unix.SEEK_CUR)
		if err != nil {
			return nil, err
		}
		offset = at
	}
	var content []byte
	b := make([]byte, 64<<10)
	for {
		var n int
		var err error
		if regular {
			n, err = unix.Pread(fd, b, offset+int64(len(content)))
		} else {
			n, err = unix.Read(fd, b)
		}
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return nil, err
		case n == 0:
			return content, nil
		}
		if content = append(content, b[:n]...); len(content) > maxArgs {
			return nil, errors.New("more than 64 MiB")
		}
	}
}

// replaceFile makes a descriptor refer to a sealed file in memory.
func replaceFile(fd int, content []byte) error {
	m, err := unix.MemfdCreate("hk-args", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return err
	}
	defer unix.Close(m)
	for at := 0; at < len(content); {
		n, err := unix.Pwrite(m, content[at:], int64(at))
		if err != nil {
			return err
		}
		at += n
	}
	seals := unix.F_SEAL_WRITE | unix.F_SEAL_GROW | unix.F_SEAL_SHRINK | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(m), unix.F_ADD_SEALS, seals); err != nil {
		return err
	}
	return unix.Dup3(m, fd, 0)
}
