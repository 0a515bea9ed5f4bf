PREFIX  = /usr/local
DESTDIR =
GO      = go
TESTFLAGS =
VERSION = $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)

export CGO_ENABLED = 0

STAGES  = unshare idmap mount net setuser limit landlock seccomp inspect
# The programs beside the stages, and those that programs of hk execute.
TOOLS   = run bwrap why doctor bisect learn
HELPERS = run-template cgroup-keeper net-forward

# The entry preserves what the Go runtime changes when it starts: hk-chain(7), BUGS.
# A heap of huge pages would be 2 MiB and more for each supervisor. -X replaces what the
# go:debug lines of the programs say, so it repeats them.
GODEBUG_DEFAULT = updatemaxprocs=0,containermaxprocs=0,disablethp=1
LDFLAGS = -s -w -E hk/internal/entry.start -X runtime.godebugDefault=$(GODEBUG_DEFAULT) -X hk/internal/cli.Version=$(VERSION)

# Helpers execute nothing, so they need no entry. That of hk-net-forward enters namespaces.
HELPER_LDFLAGS = -s -w -X runtime.godebugDefault=$(GODEBUG_DEFAULT)
FORWARD_LDFLAGS = $(HELPER_LDFLAGS) -E hk/internal/forward.start

LINKED = unshare $(TOOLS) $(HELPERS)
flags_of = $(if $(filter net-forward,$(1)),$(FORWARD_LDFLAGS),$(if $(filter $(HELPERS),$(1)),$(HELPER_LDFLAGS),$(LDFLAGS)))

all: $(LINKED:%=build/hk-%) build/profiles build/completion/hk.elv

# They are rebuilt only if a source or the version has changed, so that root can install
# without Go what another user has built. The stages are one program under all their names.
SOURCES = $(shell find cmd internal pkg -not -path '*/testdata/*') go.mod go.sum Makefile $(wildcard .git/logs/HEAD)
$(LINKED:%=build/hk-%): build/hk-%: $(SOURCES)
	@mkdir -p build
	$(GO) build -trimpath -buildmode=exe -ldflags '$(call flags_of,$*)' -o $@ ./cmd/hk-$*
	@test $* != unshare || for s in $(filter-out unshare,$(STAGES)); do ln -f $@ build/hk-$$s || exit; done

# Profiles are found beside hk-run.
build/profiles:
	@mkdir -p build
	@ln -sfn ../profiles $@

# The completions for shells, by the names under which these look for them. What is built
# for another architecture cannot print them.
build/completion/hk.elv: build/hk-run
	@mkdir -p build/completion
	@print() { build/hk-run completion "$$@" 2>/dev/null || GOARCH=$$($(GO) env GOHOSTARCH) $(GO) run ./cmd/hk-run completion "$$@"; } && \
	print bash >build/completion/hk.bash && print zsh >build/completion/_hk && \
	for s in $(STAGES) $(TOOLS); do print fish hk-$$s >build/completion/hk-$$s.fish || exit; done && print elvish >$@

# Show what a whole chain does, as root and as an ordinary user.
demo: all
	scripts/demo

# All tests, as root and as an ordinary user. As root, what they need is
# installed first.
test: all
	scripts/deps test
	GO=$(GO) scripts/go-test -count=1 -timeout 20m $(TESTFLAGS)

# The same tests on other kernels, as root and as an ordinary user, in virtual
# machines: scripts/kernels/list has the names.
KERNELS = 6.1 6.12 6.18 newest arm64 no-landlock restricted selinux 5.10
test-kernels:
	scripts/deps kernels
	scripts/kernels/run $(KERNELS)

# Run the units of docs/systemd under the systemd of two releases of Debian, in containers,
# as root. With HOW=-m they are virtual machines, in which hk-limit has controllers; HOW=-l
# runs there only what needs them.
HOW =
test-systemd:
	scripts/deps systemd
	scripts/systemd/run $(HOW) bookworm trixie

# Run hakoniwa 1.6.0, which is built by cargo once, and hk-run on the same command lines
# and files, and print what differs and is not expected to.
test-hakoniwa: all
	scripts/deps hakoniwa
	scripts/hakoniwa/run

# Run the chains of docs/programs.md, of which PROGRAMS can list titles. It installs the
# programs.
PROGRAMS = all
test-programs: all
	scripts/deps programs
	HK_TEST_PROGRAMS='$(PROGRAMS)' $(GO) test -count=1 -timeout 40m $(TESTFLAGS) -run '^TestPrograms$$|TestAsUser/^TestPrograms$$' ./test

# Run bubblewrap's own tests, which are fetched once, with hk-bwrap.
test-bwrap: all
	scripts/deps bwrap
	scripts/bwrap/run

# Weaken the source of one package, or of all, in one place at a time, and print the
# changes that no test notices. scripts/mutate/list has the places.
PKG =
mutate:
	scripts/deps test
	$(GO) run ./scripts/mutate -v $(PKG)

lint:
	test -z "$$(gofmt -l .)"
	$(GO) vet ./...
	GOARCH=arm64 $(GO) vet ./...
	$(foreach p,$(LINKED),GOARCH=arm64 $(GO) build -buildmode=exe -ldflags '$(call flags_of,$(p))' -o /dev/null ./cmd/hk-$(p) && )true

# How long a chain takes compared with other programs: ratios from one run.
bench: all
	scripts/deps bench
	scripts/bench/run

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/libexec/hk
	for n in 1 5 7 8; do install -d $(DESTDIR)$(PREFIX)/share/man/man$$n; done
	install -m 755 $(addprefix build/hk-,unshare $(TOOLS)) $(DESTDIR)$(PREFIX)/bin
	for s in $(filter-out unshare,$(STAGES)); do ln -f $(DESTDIR)$(PREFIX)/bin/hk-unshare $(DESTDIR)$(PREFIX)/bin/hk-$$s || exit; done
	install -m 755 $(HELPERS:%=build/hk-%) $(DESTDIR)$(PREFIX)/libexec/hk
	install -d $(DESTDIR)$(PREFIX)/share/hk/profiles
	install -m 644 profiles/*.toml $(DESTDIR)$(PREFIX)/share/hk/profiles
	install -d $(addprefix $(DESTDIR)$(PREFIX)/share/,bash-completion/completions zsh/site-functions fish/vendor_completions.d elvish/lib)
	for s in $(STAGES) $(TOOLS); do install -m 644 build/completion/hk.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/hk-$$s; done
	install -m 644 build/completion/_hk $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_hk
	install -m 644 build/completion/*.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	install -m 644 build/completion/hk.elv $(DESTDIR)$(PREFIX)/share/elvish/lib/hk.elv
	for n in 1 5 7 8; do install -m 644 docs/man/*.$$n $(DESTDIR)$(PREFIX)/share/man/man$$n; done

# Programs that execute bwrap then execute hk-bwrap, if they find this directory first.
install-bwrap: install
	ln -sf hk-bwrap $(DESTDIR)$(PREFIX)/bin/bwrap

clean:
	rm -rf build

.PHONY: all demo test test-kernels test-systemd test-hakoniwa test-programs test-bwrap mutate lint bench install install-bwrap clean
