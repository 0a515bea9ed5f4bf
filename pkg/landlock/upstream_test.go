package landlock

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"hk/pkg/host"

	upstream "github.com/landlock-lsm/go-landlock/landlock"
	sys "github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// upstreamABIs are the configurations of go-landlock's newest release in go.mod, by ABI:
// all access rights and scopes that the ABI has.
var upstreamABIs = []upstream.Config{
	upstream.V1, upstream.V2, upstream.V3, upstream.V4, upstream.V5, upstream.V6, upstream.V7, upstream.V8, upstream.V9, upstream.V10, upstream.V11,
}

// TestUpstream compares the tables with go-landlock's: rights, scopes and flags, and the
// ABI that introduced each.
func TestUpstream(t *testing.T) {
	if len(upstreamABIs) != host.NewestLandlockABI {
		t.Errorf("the table ends with ABI %d; go-landlock's with %d", host.NewestLandlockABI, len(upstreamABIs))
	}
	for i, c := range upstreamABIs {
		abi := i + 1
		got := domain{fs: upTo(fsRights, abi), net: upTo(netRights, abi), scope: upTo(scopes, abi)}
		want := domain{fs: uint64(c.HandledAccessFS), net: uint64(c.HandledAccessNet), scope: uint64(c.Scoped)}
		if got != want {
			t.Errorf("ABI %d has %+v; want %+v, as in go-landlock", abi, got, want)
		}
	}
	for name, c := range map[string]struct{ got, want uint64 }{
		"bind_tcp": {bindTCP, sys.AccessNetBindTCP}, "connect_tcp": {connectTCP, sys.AccessNetConnectTCP},
		"bind_udp": {bindUDP, sys.AccessNetBindUDP}, "connect_send_udp": {connectUDP, sys.AccessNetConnectSendUDP},
		"execute": {execute, sys.AccessFSExecute}, "refer": {refer, sys.AccessFSRefer}, "signal": {scopeSignal, sys.ScopeSignal},
		"log_same_exec_off": {logSameExecOff, sys.FlagRestrictSelfLogSameExecOff}, "log_new_exec_on": {logNewExecOn, sys.FlagRestrictSelfLogNewExecOn},
		"log_subdomains_off": {logSubdomainsOff, sys.FlagRestrictSelfLogSubdomainsOff},
	} {
		if c.got != c.want {
			t.Errorf("%s = %#x; want %#x", name, c.got, c.want)
		}
	}
}

// TestUpstreamNewest checks that no newer ABI of go-landlock is missing in this test: its
// configurations cannot be listed otherwise.
func TestUpstreamNewest(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/landlock-lsm/go-landlock").Output()
	if err != nil {
		t.Fatal(err)
	}
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(strings.TrimSpace(string(dir)), "landlock", "config.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	newest := 0
	ast.Inspect(f, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			for _, name := range spec.Names {
				abi := 0
				if _, err := fmt.Sscanf(name.Name, "V%d", &abi); err == nil {
					newest = max(newest, abi)
				}
			}
		}
		return true
	})
	if newest != len(upstreamABIs) {
		t.Errorf("go-landlock has V%d; this test compares %d ABIs", newest, len(upstreamABIs))
	}
}
