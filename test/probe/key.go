package main

import (
	"os"
	"os/exec"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

const testKey = "hk-test"

// withKey executes a program with a session keyring of its own that holds a key.
func withKey(words []string) error {
	runtime.LockOSThread()
	if _, err := unix.KeyctlInt(unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0); err != nil {
		return err
	}
	if _, err := unix.AddKey("user", testKey, []byte("secret"), unix.KEY_SPEC_SESSION_KEYRING); err != nil {
		return err
	}
	path, err := exec.LookPath(words[0])
	if err != nil {
		return err
	}
	return unix.Exec(path, words, os.Environ())
}

// withKeys executes a program after it has put keys into its session keyring: so many, or as
// many as the user may have.
func withKeys(n int, words []string) error {
	runtime.LockOSThread()
	for i := range n {
		_, err := unix.AddKey("user", testKey+strconv.Itoa(i), []byte("secret"), unix.KEY_SPEC_SESSION_KEYRING)
		if err == unix.EDQUOT {
			break
		}
		if err != nil {
			return err
		}
	}
	path, err := exec.LookPath(words[0])
	if err != nil {
		return err
	}
	return unix.Exec(path, words, os.Environ())
}

// findKey looks for that key.
func findKey() error {
	_, err := unix.KeyctlSearch(unix.KEY_SPEC_SESSION_KEYRING, "user", testKey, 0)
	return err
}
