PREFIX  = /usr/local
DESTDIR =
GO      = go
TESTFLAGS =
VERSION = $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)

export CGO_ENABLED = 0

STAGES  = unshare idmap mount net setuser limit landlock seccomp
# The entry preserves what the Go runtime changes when it starts: hk-chain(7), BUGS.
LDFLAGS = -s -w -E hk/internal/entry.start -X hk/internal/cli.Version=$(VERSION)

all: build/hk-unshare

# One program under all its names. It is rebuilt only if a source or the version has
# changed, so that root can install without Go what another user has built.
build/hk-unshare: $(shell find cmd internal pkg -not -path '*/testdata/*') go.mod go.sum Makefile $(wildcard .git/logs/HEAD)
	@mkdir -p build
	$(GO) build -trimpath -buildmode=exe -ldflags '$(LDFLAGS)' -o $@ ./cmd/hk-unshare
	@for s in $(STAGES); do test $$s = unshare || ln -f $@ build/hk-$$s; done

# Show what a whole chain does, as root and as an ordinary user.
demo: all
	scripts/demo

# All tests, as root and as an ordinary user. As root, what they need is
# installed first.
test: all
	scripts/deps test
	$(GO) test -count=1 -timeout 20m $(TESTFLAGS) ./...

# The same tests on other kernels, as root and as an ordinary user, in virtual
# machines: scripts/kernels/list has the names.
KERNELS = 6.1 6.12 6.18 newest arm64 no-landlock 5.10
test-kernels:
	scripts/deps kernels
	scripts/kernels/run $(KERNELS)

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

# How long a chain takes compared with other programs: ratios from one run.
bench: all
	scripts/deps bench
	scripts/bench/run

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man7
	install -m 755 build/hk-unshare $(DESTDIR)$(PREFIX)/bin/hk-unshare
	for s in $(STAGES); do test $$s = unshare || ln -f $(DESTDIR)$(PREFIX)/bin/hk-unshare $(DESTDIR)$(PREFIX)/bin/hk-$$s; done
	install -m 644 docs/man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 docs/man/*.7 $(DESTDIR)$(PREFIX)/share/man/man7

clean:
	rm -rf build

.PHONY: all demo test test-kernels mutate lint bench install clean
