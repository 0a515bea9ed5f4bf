//go:build !amd64

package main

import "syscall"

func callInt80([]string) syscall.Errno { return syscall.ENOSYS }

func callVsyscall(int) syscall.Errno { return syscall.ENOSYS }
