/*
 * What libseccomp makes of a policy, for the tests and the benchmark; no part of
 * the product.
 *
 * libseccomp names         names on standard input; "ARCH NAME NUMBER" for each
 *                          that an architecture has, on standard output
 * libseccomp filter        a policy; the filter, as seccomp_export_bpf(3) has it
 * libseccomp time          a policy; nanoseconds to make the filter of it and to
 *                          load it
 *
 * A policy is lines of "arch NAME", "default ACTION" and "rule ACTION CALL" with
 * groups of "ARG OP A B" behind it. Actions are SECCOMP_RET_*.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void die(const char *what, int err)
{
	fprintf(stderr, "libseccomp: %s: %s\n", what, strerror(err < 0 ? -err : err));
	exit(1);
}

static void names(void)
{
	static const char *arches[] = { "x86_64", "x86", "x32", "aarch64", "arm" };
	char name[128];

	while (scanf("%127s", name) == 1)
		for (size_t i = 0; i < sizeof arches / sizeof *arches; i++) {
			int nr = seccomp_syscall_resolve_name_arch(seccomp_arch_resolve_name(arches[i]), name);

			if (nr >= 0)
				printf("%s %s %u\n", arches[i], name, (unsigned)nr);
		}
}

/* All of standard input, so that reading it is not timed. */
static char *input(void)
{
	size_t size = 1 << 20, n;
	char *text = malloc(size);

	if (!text || (n = fread(text, 1, size - 1, stdin)) == size - 1)
		die("input", E2BIG);
	text[n] = 0;
	return text;
}

static scmp_filter_ctx filter(char *text)
{
	scmp_filter_ctx ctx = NULL;
	char *save;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *in, *word = strtok_r(line, " ", &in), *arg = strtok_r(NULL, " ", &in);
		int err = 0;

		if (!strcmp(word, "default")) {
			ctx = seccomp_init(strtoul(arg, NULL, 0));
			if (!ctx)
				die("seccomp_init", EINVAL);
			err = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
			if (!err)
				err = seccomp_arch_remove(ctx, SCMP_ARCH_NATIVE);
		} else if (!strcmp(word, "arch")) {
			err = seccomp_arch_add(ctx, seccomp_arch_resolve_name(arg));
		} else {
			struct scmp_arg_cmp cmp[6];
			unsigned n = 0;
			char *name = strtok_r(NULL, " ", &in), *a, *op, *x, *y;
			int nr = seccomp_syscall_resolve_name(name);

			if (nr == __NR_SCMP_ERROR)
				continue;
			while ((a = strtok_r(NULL, " ", &in))) {
				op = strtok_r(NULL, " ", &in);
				x = strtok_r(NULL, " ", &in);
				y = strtok_r(NULL, " ", &in);
				cmp[n++] = (struct scmp_arg_cmp){ atoi(a), atoi(op), strtoull(x, NULL, 0), strtoull(y, NULL, 0) };
			}
			err = seccomp_rule_add_array(ctx, strtoul(arg, NULL, 0), nr, n, cmp);
			/* There is one for that already, which counts; or the call is
			 * another architecture's. */
			if (err == -EEXIST || err == -EDOM)
				err = 0;
		}
		if (err)
			die(line, err);
	}
	return ctx;
}

static long since(struct timespec *then)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - then->tv_sec) * 1000000000L + now.tv_nsec - then->tv_nsec;
}

int main(int argc, char **argv)
{
	struct timespec start;
	scmp_filter_ctx ctx;
	int err;

	if (argc != 2)
		return 2;
	if (!strcmp(argv[1], "names")) {
		names();
		return 0;
	}
	char *text = input();
	clock_gettime(CLOCK_MONOTONIC, &start);
	ctx = filter(text);
	if (!strcmp(argv[1], "filter")) {
		if ((err = seccomp_export_bpf(ctx, 1)))
			die("seccomp_export_bpf", err);
		return 0;
	}
	if ((err = seccomp_load(ctx)))
		die("seccomp_load", err);
	printf("%ld\n", since(&start));
	return 0;
}
