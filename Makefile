PREFIX  = /usr/local
DESTDIR =
GO      = go
TESTFLAGS =
VERSION = $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)

export CGO_ENABLED = 0

STAGES  = unshare idmap mount net setuser limit landlock seccomp inspect
# The entry preserves what the Go runtime changes when it starts: hk-chain(7), BUGS.
# A heap of huge pages would be 2 MiB and more for each supervisor. -X replaces what the
# go:debug lines of the programs say, so it repeats them.
GODEBUG_DEFAULT = updatemaxprocs=0,disablethp=1
LDFLAGS = -s -w -E hk/internal/entry.start -X runtime.godebugDefault=$(GODEBUG_DEFAULT) -X hk/internal/cli.Version=$(VERSION)

# The keeper of a cgroup is a program of its own. It needs no entry, as it executes nothing.
KEEPER_LDFLAGS = -s -w -X runtime.godebugDefault=$(GODEBUG_DEFAULT)

FORWARD_LDFLAGS = $(KEEPER_LDFLAGS) -E hk/internal/forward.start

all: build/hk-unshare build/hk-run build/hk-bwrap build/hk-why build/hk-doctor build/hk-bisect build/hk-learn build/hk-run-template build/hk-cgroup-keeper build/hk-net-forward build/completion/hk.elv

# One program under all its names. It is rebuilt only if a source or the version has
# changed, so that root can install without Go what another user has built.
SOURCES = $(shell find cmd internal pkg -not -path '*/testdata/*') go.mod go.sum Makefile $(wildcard .git/logs/HEAD)
build/hk-unshare: $(SOURCES)
	@mkdir -p build
	$(GO) build -trimpath -buildmode=exe -ldflags '$(LDFLAGS)' -o $@ ./cmd/hk-unshare
	@for s in $(STAGES); do test $$s = unshare || ln -f $@ build/hk-$$s; done

# It has an entry of its own, which enters namespaces.
build/hk-net-forward: $(SOURCES)
	@mkdir -p build
	$(GO) build -trimpath -buildmode=exe -ldflags '$(FORWARD_LDFLAGS)' -o $@ ./cmd/hk-net-forward

# A program of its own, because of what it links. It executes the payload itself.
build/hk-run: $(SOURCES)
	@mkdir -p build
	$(GO) build -trimpath -buildmode=exe -ldflags '$(LDFLAGS)' -o $@ ./cmd/hk-run

build/hk-bwrap: $(SOURCES)
	@mkdir -p build
	$(GO) build -trimpath -buildmode=exe -ldflags '$(LDFLAGS)' -o $@ ./cmd/hk-bwrap

build/hk-why: $(SOURCES)
	@mkdir -p build
	$(GO) build -trimpath -buildmode=exe -ldflags '$(LDFLAGS)' -o $@ ./cmd/hk-why

# It links all stages, and no stage links it.
build/hk-doctor: $(SOURCES)
	@mkdir -p build
	$(GO) build -trimpath -buildmode=exe -ldflags '$(LDFLAGS)' -o $@ ./cmd/hk-doctor

build/hk-bisect: $(SOURCES)
	@mkdir -p build
	$(GO) build -trimpath -buildmode=exe -ldflags '$(LDFLAGS)' -o $@ ./cmd/hk-bisect

build/hk-learn: $(SOURCES)
	@mkdir -p build
	$(GO) build -trimpath -buildmode=exe -ldflags '$(LDFLAGS)' -o $@ ./cmd/hk-learn

# It executes nothing, so it needs no entry. Profiles are found beside hk-run.
build/hk-run-template: $(SOURCES)
	@mkdir -p build
	$(GO) build -trimpath -buildmode=exe -ldflags '$(KEEPER_LDFLAGS)' -o $@ ./cmd/hk-run-template
	@ln -sfn ../profiles build/profiles

# The completions for shells, by the names under which these look for them. What is built
# for another architecture cannot print them.
build/completion/hk.elv: build/hk-run
	@mkdir -p build/completion
	@print() { build/hk-run completion "$$@" 2>/dev/null || GOARCH=$$($(GO) env GOHOSTARCH) $(GO) run ./cmd/hk-run completion "$$@"; } && \
	print bash >build/completion/hk.bash && print zsh >build/completion/_hk && \
	for s in $(STAGES) run bwrap why doctor bisect learn; do print fish hk-$$s >build/completion/hk-$$s.fish || exit; done && print elvish >$@

build/hk-cgroup-keeper: $(SOURCES)
	@mkdir -p build
	$(GO) build -trimpath -buildmode=exe -ldflags '$(KEEPER_LDFLAGS)' -o $@ ./cmd/hk-cgroup-keeper

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
	GOARCH=arm64 $(GO) build -buildmode=exe -ldflags '$(LDFLAGS)' -o /dev/null ./cmd/hk-unshare
	GOARCH=arm64 $(GO) build -buildmode=exe -ldflags '$(LDFLAGS)' -o /dev/null ./cmd/hk-run
	GOARCH=arm64 $(GO) build -buildmode=exe -ldflags '$(LDFLAGS)' -o /dev/null ./cmd/hk-bwrap
	GOARCH=arm64 $(GO) build -buildmode=exe -ldflags '$(LDFLAGS)' -o /dev/null ./cmd/hk-why
	GOARCH=arm64 $(GO) build -buildmode=exe -ldflags '$(LDFLAGS)' -o /dev/null ./cmd/hk-doctor
	GOARCH=arm64 $(GO) build -buildmode=exe -ldflags '$(LDFLAGS)' -o /dev/null ./cmd/hk-bisect
	GOARCH=arm64 $(GO) build -buildmode=exe -ldflags '$(LDFLAGS)' -o /dev/null ./cmd/hk-learn
	GOARCH=arm64 $(GO) build -buildmode=exe -ldflags '$(KEEPER_LDFLAGS)' -o /dev/null ./cmd/hk-run-template
	GOARCH=arm64 $(GO) build -buildmode=exe -ldflags '$(KEEPER_LDFLAGS)' -o /dev/null ./cmd/hk-cgroup-keeper
	GOARCH=arm64 $(GO) build -buildmode=exe -ldflags '$(FORWARD_LDFLAGS)' -o /dev/null ./cmd/hk-net-forward

# How long a chain takes compared with other programs: ratios from one run.
bench: all
	scripts/deps bench
	scripts/bench/run

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/libexec/hk
	for n in 1 5 7 8; do install -d $(DESTDIR)$(PREFIX)/share/man/man$$n; done
	install -m 755 build/hk-unshare $(DESTDIR)$(PREFIX)/bin/hk-unshare
	for s in $(STAGES); do test $$s = unshare || ln -f $(DESTDIR)$(PREFIX)/bin/hk-unshare $(DESTDIR)$(PREFIX)/bin/hk-$$s; done
	install -m 755 build/hk-run $(DESTDIR)$(PREFIX)/bin/hk-run
	install -m 755 build/hk-bwrap $(DESTDIR)$(PREFIX)/bin/hk-bwrap
	install -m 755 build/hk-why $(DESTDIR)$(PREFIX)/bin/hk-why
	install -m 755 build/hk-doctor $(DESTDIR)$(PREFIX)/bin/hk-doctor
	install -m 755 build/hk-bisect $(DESTDIR)$(PREFIX)/bin/hk-bisect
	install -m 755 build/hk-learn $(DESTDIR)$(PREFIX)/bin/hk-learn
	install -m 755 build/hk-run-template $(DESTDIR)$(PREFIX)/libexec/hk/hk-run-template
	install -d $(DESTDIR)$(PREFIX)/share/hk/profiles
	install -m 644 profiles/*.toml $(DESTDIR)$(PREFIX)/share/hk/profiles
	install -m 755 build/hk-cgroup-keeper build/hk-net-forward $(DESTDIR)$(PREFIX)/libexec/hk
	install -d $(addprefix $(DESTDIR)$(PREFIX)/share/,bash-completion/completions zsh/site-functions fish/vendor_completions.d elvish/lib)
	for s in $(STAGES) run bwrap why doctor bisect learn; do install -m 644 build/completion/hk.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/hk-$$s; done
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
