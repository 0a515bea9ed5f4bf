module hk-bench-library

go 1.26.0

// What is compared with is a dependency of this module only.
require (
	github.com/criyle/go-sandbox v0.11.0
	golang.org/x/sys v0.49.0
	hk v0.0.0
)

require (
	github.com/moby/profiles/seccomp v0.2.4 // indirect
	github.com/moby/sys/capability v0.5.0 // indirect
	github.com/moby/sys/user v0.5.0 // indirect
	github.com/opencontainers/runtime-spec v1.3.0 // indirect
)

replace hk => ../../..
