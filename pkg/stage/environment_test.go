package stage

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"hk/pkg/plan"
)

// TestEnvironment compares random changes of few and of many variables with a map.
func TestEnvironment(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{3, many - 1, 3 * many} {
		name := func() string { return fmt.Sprint("V", random.IntN(n)) }
		var e Environment
		model := map[string]string{}
		for i := range n / 2 {
			e.inherited = append(e.inherited, fmt.Sprintf("V%d=inherited", i))
			model[fmt.Sprint("V", i)] = "inherited"
		}
		before, was := e.Before(), maps.Clone(model)
		check := func(did string) {
			t.Helper()
			got := map[string]string{}
			for _, v := range e.List() {
				name, value, _ := strings.Cut(v, "=")
				if _, twice := got[name]; twice {
					t.Fatalf("%d variables, %s: %s is there twice", n, did, name)
				}
				got[name] = value
			}
			if !maps.Equal(got, model) {
				t.Fatalf("%d variables, %s: %v; want %v", n, did, got, model)
			}
			for _, name := range e.removed {
				if model[name] != "" {
					t.Fatalf("%d variables, %s: %s is removed and there", n, did, name)
				}
			}
		}
		for i := range 20 * many {
			name, value := name(), fmt.Sprint(i)
			switch what := random.IntN(100); {
			case what == 0:
				e.Clear()
				clear(model)
				check("Clear")
			case what < 60:
				e.Set(plan.Var{Name: name, Value: value})
				model[name] = value
				check("Set " + name)
			case what < 80:
				e.Unset(name)
				delete(model, name)
				check("Unset " + name)
			default:
				e.Keep(name, before)
				if delete(model, name); was[name] != "" {
					model[name] = was[name]
				}
				check("Keep " + name)
			}
		}
		if got := slices.Sorted(maps.Keys(was)); len(got) != n/2 || len(before.env.inherited) != n/2 {
			t.Errorf("the environment before has become %v", before.env.List())
		}
	}
}
