package inspect

import (
	"strings"
	"testing"
)

// TestClaimants checks of whom it is said that they alone can have started a supervisor.
func TestClaimants(t *testing.T) {
	all, one := []string{"0:0:4294967295"}, []string{"7:7:1"}
	for _, c := range []struct {
		name string
		r    *Report
		want bool
	}{
		{"nothing known", nil, false},
		{"no status", &Report{}, false},
		{"outside", claimant(all, "unknown", 0, false), true},
		{"outside, in a namespace that is known", claimant(one, "same", 0, false), true},
		{"maybe in a namespace with the same map", claimant(one, "unknown", 0, false), false},
		{"a filter", claimant(all, "same", 1, false), false},
		{"maybe a Landlock domain", claimant(all, "same", 0, true), false},
	} {
		got := (&level{comparison: comparison{above: c.r}}).claimants()
		if strings.Contains(got, "user 7 outside") != c.want || (got != "") != c.want {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}

func claimant(uids []string, ns string, filters int, noNewPrivs bool) *Report {
	return &Report{IDs: &IDs{UID: IDSet{Real: 7}, UIDMap: uids}, Caps: &Caps{NoNewPrivs: noNewPrivs}, Seccomp: &Seccomp{Filters: &filters},
		Namespaces: map[string]Namespace{"user": {Caller: ns}}}
}
