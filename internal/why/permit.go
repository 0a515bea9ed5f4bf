package why

import (
	"cmp"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// permitted is the error with which permissions refuse what is asked to the calling thread,
// whose identity is a.who; 0 if they do not. What a mount refuses does not count.
func (a attempt) permitted() unix.Errno {
	if a.named() {
		return a.names()
	}
	fd, err := a.look(a.path, 0)
	if err == unix.ENOENT && a.kind == "write" {
		return a.names()
	}
	if err != nil {
		return lacks(err)
	}
	defer unix.Close(fd)
	switch a.kind {
	case "read":
		return a.access(fd, unix.R_OK)
	case "write", "truncate", "socket":
		return a.access(fd, unix.W_OK)
	case "exec":
		return a.executable(fd)
	case "xattr":
		return cmp.Or(immutable(fd), a.access(fd, unix.W_OK))
	case "attributes", "chown":
		return a.owns(fd)
	}
	return 0
}

// lacks is the error of a call, if permissions are the reason.
func lacks(err error) unix.Errno {
	if err == unix.EACCES || err == unix.EPERM {
		return err.(unix.Errno)
	}
	return 0
}

func (a attempt) access(fd int, mode uint32) unix.Errno {
	if a.by != nil {
		return lacks(a.by.access(fd, mode))
	}
	return lacks(unix.Faccessat2(fd, "", mode, unix.AT_EMPTY_PATH|unix.AT_EACCESS))
}

// executable is access(2) for a file, without what its mount forbids.
func (a attempt) executable(fd int) unix.Errno {
	var fs unix.Statfs_t
	var st unix.Stat_t
	if unix.Fstatfs(fd, &fs) == nil && fs.Flags&unix.ST_NOEXEC != 0 && unix.Fstat(fd, &st) == nil {
		if st.Mode&0o111 == 0 {
			return unix.EACCES
		}
		return 0
	}
	return a.access(fd, unix.X_OK)
}

// owns is for what only the owner may do.
func (a attempt) owns(fd int) unix.Errno {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return 0
	}
	if a.kind == "attributes" {
		if st.Uid == a.who.fs || a.who.over(unix.CAP_FOWNER, &st, a.own) {
			return immutable(fd)
		}
		return unix.EPERM
	}
	const same = ^uint32(0)
	uid, gid := a.owner[0], a.owner[1]
	mine := st.Uid == a.who.fs
	switch {
	case a.who.over(unix.CAP_CHOWN, &st, a.own):
	case uid != same && (!mine || uid != st.Uid):
		return unix.EPERM
	case gid != same && (!mine || gid != st.Gid && gid != a.who.group && !contains(a.who.groups, gid)):
		return unix.EPERM
	}
	return immutable(fd)
}

func contains(list []uint32, n uint32) bool {
	for _, g := range list {
		if g == n {
			return true
		}
	}
	return false
}

// immutable is for a file with an attribute of chattr(1) that forbids to change it.
func immutable(fd int) unix.Errno {
	var stx unix.Statx_t
	if unix.Statx(fd, "", unix.AT_EMPTY_PATH, 0, &stx) == nil && stx.Attributes&(unix.STATX_ATTR_IMMUTABLE|unix.STATX_ATTR_APPEND) != 0 {
		return unix.EPERM
	}
	return 0
}

// names is for what changes directories.
func (a attempt) names() unix.Errno {
	for i, p := range []string{a.path, a.to} {
		if p == "" || i == 0 && a.kind == "link" {
			continue
		}
		if e := a.change(p, a.kind == "remove" || a.kind == "rename"); e != 0 {
			return e
		}
	}
	if a.kind == "link" {
		return a.linkable()
	}
	return 0
}

// change is for a name in a directory that comes or goes.
func (a attempt) change(p string, goes bool) unix.Errno {
	dir, fd, err := a.name(p)
	if err != nil {
		return lacks(err)
	}
	defer unix.Close(dir)
	if fd >= 0 {
		defer unix.Close(fd)
	}
	if e := a.access(dir, unix.W_OK|unix.X_OK); e != 0 || fd < 0 || !goes {
		return e
	}
	var st, in unix.Stat_t
	if unix.Fstat(fd, &st) != nil || unix.Fstat(dir, &in) != nil {
		return 0
	}
	if in.Mode&unix.S_ISVTX != 0 && st.Uid != a.who.fs && in.Uid != a.who.fs && !a.who.over(unix.CAP_FOWNER, &st, a.own) {
		return unix.EPERM
	}
	if a.kind == "rename" && st.Mode&unix.S_IFMT == unix.S_IFDIR && path.Dir(strings.TrimRight(a.path, "/")) != path.Dir(strings.TrimRight(a.to, "/")) {
		if e := a.access(fd, unix.W_OK); e != 0 {
			return e // its .. changes
		}
	}
	return immutable(fd)
}

// linkable is what fs.protected_hardlinks asks of a file: to be the owner's, or to be a
// regular file that may be read and written and has no mode bits of execve(2).
func (a attempt) linkable() unix.Errno {
	dir, fd, err := a.name(a.path)
	if err != nil {
		return lacks(err)
	}
	unix.Close(dir)
	if fd < 0 {
		return 0
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Uid == a.who.fs || a.who.over(unix.CAP_FOWNER, &st, a.own) || !protectedLinks() {
		return immutable(fd)
	}
	gains := st.Mode&unix.S_ISUID != 0 || st.Mode&(unix.S_ISGID|unix.S_IXGRP) == unix.S_ISGID|unix.S_IXGRP
	if st.Mode&unix.S_IFMT != unix.S_IFREG || gains || a.access(fd, unix.R_OK|unix.W_OK) != 0 {
		return unix.EPERM
	}
	return immutable(fd)
}
