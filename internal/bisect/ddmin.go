package bisect

import "slices"

// minimize returns a subset of units that passes, and of which no unit can be left out, by
// delta debugging (ddmin): test says whether a subset passes. Preconditions: all units do,
// and none does not. The order of the units decides which subset is found if there are
// several.
func minimize[T any](units []T, test func([]T) (bool, error)) ([]T, error) {
	for n := 2; len(units) > 1; {
		smaller, granularity, err := reduce(units, n, test)
		switch {
		case err != nil:
			return units, err
		case smaller != nil:
			units, n = smaller, max(2, min(granularity, len(smaller)))
		case n >= len(units):
			return units, nil
		default:
			n = min(2*n, len(units))
		}
	}
	return units, nil
}

// reduce tries each of n chunks of the units, and then what is left without each.
func reduce[T any](units []T, n int, test func([]T) (bool, error)) ([]T, int, error) {
	chunk := func(i int) (from, to int) { return i * len(units) / n, (i + 1) * len(units) / n }
	for i := range n {
		from, to := chunk(i)
		if ok, err := test(slices.Clone(units[from:to])); ok || err != nil {
			return units[from:to:to], 2, err
		}
	}
	for i := range n {
		from, to := chunk(i)
		rest := slices.Concat(units[:from], units[to:])
		if n == 2 || len(rest) == 0 {
			break // the complement of a half is the other half
		}
		if ok, err := test(rest); ok || err != nil {
			return rest, n - 1, err
		}
	}
	return nil, n, nil
}
