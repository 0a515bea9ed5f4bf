package bisect

import (
	"errors"
	"slices"
	"testing"
)

func TestMinimize(t *testing.T) {
	for _, c := range []struct {
		n    int
		need []int
		most int // tests
	}{
		{1, []int{0}, 0}, {2, []int{1}, 2}, {8, []int{5}, 6}, {8, []int{0, 7}, 40}, {9, []int{2, 3, 4}, 60},
		{64, []int{63}, 14}, {300, []int{17}, 20}, {300, []int{17, 250}, 120}, {3, []int{0, 1, 2}, 8},
	} {
		units := make([]int, c.n)
		for i := range units {
			units[i] = i
		}
		tests := 0
		got, err := minimize(units, func(list []int) (bool, error) {
			tests++
			for _, v := range c.need {
				if !slices.Contains(list, v) {
					return false, nil
				}
			}
			return true, nil
		})
		if err != nil || !slices.Equal(got, c.need) || tests > c.most {
			t.Errorf("minimize(%d units, of which %v are needed) = %v, %v after %d tests; want at most %d", c.n, c.need, got, err, tests, c.most)
		}
	}
}

// TestMinimizeAny takes one of two subsets that pass, the same each time, and stops at an
// error with a subset that passes.
func TestMinimizeAny(t *testing.T) {
	units := []int{0, 1, 2, 3, 4, 5, 6, 7}
	either := func(list []int) (bool, error) {
		return slices.Contains(list, 2) || slices.Contains(list, 5), nil
	}
	if got, err := minimize(units, either); err != nil || !slices.Equal(got, []int{2}) {
		t.Errorf("minimize(either 2 or 5) = %v, %v; want 2", got, err)
	}
	tests := 0
	got, err := minimize(units, func(list []int) (bool, error) {
		if tests++; tests > 2 {
			return false, errBound
		}
		return slices.Contains(list, 1), nil
	})
	if !errors.Is(err, errBound) || !slices.Contains(got, 1) {
		t.Errorf("minimize, bounded, = %v, %v; want a subset with 1 and the error", got, err)
	}
}
