//go:build ignore

// peer: the benchmark's sandbox as straight-line C, a floor for what its system
// calls cost. Usage: peer FILTER PROGRAM [args...]; FILTER is a file of struct
// sock_filter[]. Right for this one sandbox only: it passes no signals on.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// The same numbers everywhere; C libraries know them at different ages.
enum {
	OPEN_TREE = 428, MOVE_MOUNT = 429, FSOPEN = 430, FSCONFIG = 431, FSMOUNT = 432,
	OPENAT2 = 437, MOUNT_SETATTR = 442, LANDLOCK_CREATE_RULESET = 444,
	LANDLOCK_ADD_RULE = 445, LANDLOCK_RESTRICT_SELF = 446,
};
enum { SET_FLAG = 0, SET_STRING = 1, CMD_CREATE = 6 };
enum { RDONLY = 1, NOSUID = 2, NODEV = 4, NOEXEC = 8 };
enum { PRIVATE = 1 << 18, UNBINDABLE = 1 << 17, RECURSIVE = 0x8000, CLONE_TREE = 1 };
enum { NO_XDEV = 1, NO_MAGICLINKS = 2, NO_SYMLINKS = 4 };
enum {
	EXECUTE = 1, WRITE_FILE = 2, READ_FILE = 4, READ_DIR = 8,
	REFER = 1 << 13, TRUNCATE = 1 << 14, IOCTL_DEV = 1 << 15,
};

struct attr { uint64_t set, clr, propagation, userns; };
struct how { uint64_t flags, mode, resolve; };
struct beneath { uint64_t access; int32_t fd; } __attribute__((packed));
struct filter { unsigned short len; void *code; };
struct caps { uint32_t version; int pid; };

static char uidmap[32], gidmap[32], stack[65536] __attribute__((aligned(16)));
static char code[32768], cwd[4096];
static struct filter filter;
static char **program;
static int sock, root, proc;
extern char **environ;

static long must(const char *what, long r) {
	if (r < 0) {
		dprintf(2, "peer: %s: %s\n", what, strerror(errno));
		_exit(125);
	}
	return r;
}
#define DO(call, ...) must(#call, syscall(call, __VA_ARGS__))
#define LIBC(call) must(#call, call)

static void map(const char *file, const char *text) {
	struct how how = {O_WRONLY | O_CLOEXEC, 0, NO_XDEV | NO_MAGICLINKS};
	int fd = DO(OPENAT2, proc, file, &how, sizeof how);
	LIBC(write(fd, text, strlen(text)));
	close(fd);
}

static void setattr(int fd, unsigned flags, uint64_t set, uint64_t propagation) {
	struct attr a = {set, 0, propagation, 0};
	DO(MOUNT_SETATTR, fd, "", AT_EMPTY_PATH | flags, &a, sizeof a);
}

static void attach(int fd, const char *at) {
	DO(MOVE_MOUNT, fd, "", root, at, 4);
	close(fd);
}

static int new(const char *type, const char *mode, unsigned attr) {
	int fs = DO(FSOPEN, type, 1);
	if (!strcmp(type, "devpts")) {
		DO(FSCONFIG, fs, SET_FLAG, "newinstance", NULL, 0);
		DO(FSCONFIG, fs, SET_STRING, "ptmxmode", "0666", 0);
	}
	if (mode)
		DO(FSCONFIG, fs, SET_STRING, "mode", mode, 0);
	DO(FSCONFIG, fs, CMD_CREATE, NULL, NULL, 0);
	int fd = DO(FSMOUNT, fs, 1, attr);
	close(fs);
	return fd;
}

static void graft(const char *from, uint64_t set) {
	int fd = DO(OPEN_TREE, AT_FDCWD, from, RECURSIVE | CLONE_TREE | O_CLOEXEC);
	setattr(fd, RECURSIVE, set, 0);
	attach(fd, from + 1);
}

static void host(const char *path) {
	char to[4096];
	struct stat st;
	if (lstat(path, &st))
		return;
	if (S_ISLNK(st.st_mode)) {
		to[LIBC(readlink(path, to, sizeof to - 1))] = 0;
		LIBC(symlinkat(to, root, path + 1));
		return;
	}
	LIBC(mkdirat(root, path + 1, 0755));
	graft(path, RDONLY | NOSUID | NODEV);
}

static void device(const char *path) {
	LIBC(mknodat(root, path + 1, S_IFREG | 0444, 0));
	graft(path, NOSUID | NOEXEC);
}

static void dir(const char *at, int fd) {
	LIBC(mkdirat(root, at, 0755));
	attach(fd, at);
}

static void filesystem(void) {
	static const char *const top[] = {"/bin", "/etc", "/lib", "/lib32", "/lib64", "/sbin", "/usr"};
	static const char *const devices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"};
	root = new("tmpfs", "0755", NOSUID | NODEV);
	setattr(root, 0, 0, UNBINDABLE);
	DO(MOVE_MOUNT, root, "", AT_FDCWD, "/", 4);
	mode_t mask = umask(0);
	for (unsigned i = 0; i < sizeof top / sizeof *top; i++)
		host(top[i]);
	dir("proc", new("proc", NULL, NOSUID | NODEV | NOEXEC));
	dir("dev", new("tmpfs", "0755", NOSUID | NOEXEC));
	for (unsigned i = 0; i < sizeof devices / sizeof *devices; i++)
		device(devices[i]);
	LIBC(symlinkat("/proc/self/fd", root, "dev/fd"));
	LIBC(symlinkat("/proc/self/fd/0", root, "dev/stdin"));
	LIBC(symlinkat("/proc/self/fd/1", root, "dev/stdout"));
	LIBC(symlinkat("/proc/self/fd/2", root, "dev/stderr"));
	LIBC(symlinkat("pts/ptmx", root, "dev/ptmx"));
	dir("dev/pts", new("devpts", "0620", NOSUID | NOEXEC));
	dir("dev/shm", new("tmpfs", "01777", NOSUID | NODEV | NOEXEC));
	dir("tmp", new("tmpfs", NULL, NOSUID | NODEV));
	umask(mask);
	setattr(root, 0, RDONLY, PRIVATE);
	LIBC(fchdir(root));
	DO(SYS_pivot_root, ".", ".");
	LIBC(umount2(".", MNT_DETACH));
	LIBC(chdir("/"));
	close(root);
	(void)!chdir(cwd);
}

static void allow(int ruleset, const char *path, uint64_t file, uint64_t all) {
	struct beneath b = {file, LIBC(open(path, O_PATH | O_CLOEXEC))};
	DO(LANDLOCK_ADD_RULE, ruleset, 1, &b, 0);
	b.access = all;
	DO(LANDLOCK_ADD_RULE, ruleset, 1, &b, 0);
	close(b.fd);
}

static void landlock(void) {
	int abi = DO(LANDLOCK_CREATE_RULESET, NULL, 0, 1);
	uint64_t all = (abi >= 5 ? 1 << 16 : abi >= 3 ? 1 << 15 : abi >= 2 ? 1 << 14 : 1 << 13) - 1;
	int ruleset = DO(LANDLOCK_CREATE_RULESET, &all, sizeof all, 0);
	uint64_t rw = (READ_FILE | WRITE_FILE | TRUNCATE | IOCTL_DEV) & all;
	allow(ruleset, "/", READ_FILE, READ_FILE | READ_DIR);
	allow(ruleset, "/usr", EXECUTE | READ_FILE, EXECUTE | READ_FILE | READ_DIR);
	allow(ruleset, "/tmp", rw, all & ~EXECUTE);
	allow(ruleset, "/dev", rw, all & ~EXECUTE);
	LIBC(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	DO(LANDLOCK_RESTRICT_SELF, ruleset, 0);
	close(ruleset);
}

static int child(void *unused __attribute__((unused))) {
	struct attr a = {0, 0, PRIVATE, 0};
	struct how how = {O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_PATH, 0, NO_SYMLINKS};
	struct caps head = {0x20080522, 0};
	uint32_t none[6] = {0};
	sigset_t empty;

	LIBC(prctl(PR_SET_PDEATHSIG, SIGKILL));
	LIBC(send(sock, "\1", 1, MSG_NOSIGNAL));
	DO(MOUNT_SETATTR, AT_FDCWD, "/", RECURSIVE, &a, sizeof a);
	proc = DO(OPENAT2, AT_FDCWD, "/proc", &how, sizeof how);
	map("self/uid_map", uidmap);
	map("self/setgroups", "deny");
	map("self/gid_map", gidmap);
	close(proc);
	filesystem();
	for (int c = 0; !prctl(PR_CAPBSET_DROP, c); c++)
		;
	LIBC(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
	DO(SYS_capset, &head, none);
	LIBC(prctl(PR_SET_PDEATHSIG, SIGKILL));
	LIBC(send(sock, "\1", 1, MSG_NOSIGNAL));
	landlock();
	sigemptyset(&empty);
	sigprocmask(SIG_SETMASK, &empty, NULL);
	LIBC(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	DO(SYS_seccomp, 1, 0, &filter);
	LIBC(execve(program[0], program, environ));
	return 125;
}

int main(int argc, char **argv) {
	int pair[2], pidfd, status;
	char c;

	if (argc < 3)
		return 125;
	program = argv + 2;
	snprintf(uidmap, sizeof uidmap, "0 %u 1\n", geteuid());
	snprintf(gidmap, sizeof gidmap, "0 %u 1\n", getegid());
	LIBC(getcwd(cwd, sizeof cwd) ? 0 : -1);
	int fd = LIBC(open(argv[1], O_RDONLY | O_CLOEXEC));
	filter.len = LIBC(read(fd, code, sizeof code)) / 8;
	filter.code = code;
	close(fd);
	LIBC(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	sock = pair[1];
	int pid = LIBC(clone(child, stack + sizeof stack,
		CLONE_VM | CLONE_VFORK | CLONE_PIDFD | CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |
		CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | SIGCHLD, NULL, &pidfd));
	close(pair[1]);
	while (read(pair[0], &c, 1) > 0)
		;
	LIBC(waitpid(pid, &status, 0));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
