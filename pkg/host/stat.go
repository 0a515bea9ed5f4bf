package host

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

func mode(fi fs.FileInfo, err error) (fs.FileMode, error) {
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			return 0, pe.Err
		}
		return 0, err
	}
	return fi.Mode(), nil
}

func statIn(root, path string) (fs.FileMode, error) {
	dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(dir)
	fd, err := OpenIn(dir, path, unix.O_PATH)
	if err != nil {
		return 0, err
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	return mode(f.Stat())
}
