package similar

import "testing"

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "ab", 2}, {"ab", "", 2}, {"abc", "abc", 0}, {"abc", "adc", 1}, {"abc", "acb", 1}, {"abc", "abcd", 1}, {"abcd", "acd", 1}, {"abcd", "dcba", 3}} {
		if got := Distance(test.a, test.b); got != test.want {
			t.Errorf("Distance(%q, %q) = %d; want %d", test.a, test.b, got, test.want)
		}
	}
}
