package access

import "testing"

func TestShared(t *testing.T) {
	opens := func(l *local) { l.opens(80, true) }
	connects := func(l *local) { l.reaches(80, true) }
	accepts := func(l *local) { l.accepted++ }
	for _, c := range []struct {
		name  string
		calls []func(*local)
		want  bool
	}{
		{"nothing", nil, false},
		{"own port", []func(*local){opens, connects, accepts}, false},
		{"own port, and one more connection", []func(*local){opens, connects, accepts, accepts}, true},
		{"own port that nobody has reached", []func(*local){opens}, true},
		{"another's port", []func(*local){connects}, true},
		{"UDP is not TCP", []func(*local){opens, connects, func(l *local) { l.reaches(80, false) }}, true},
		{"own UDP port", []func(*local){func(l *local) { l.opens(53, false); l.reaches(53, false) }}, false},
		{"connections by UDP", []func(*local){func(l *local) { l.opens(53, false); l.reaches(53, false) }, accepts}, true},
		{"a port that the kernel chooses", []func(*local){func(l *local) { l.opens(0, true) }}, true},
	} {
		var l local
		for _, call := range c.calls {
			call(&l)
		}
		if got := l.shared(); got != c.want {
			t.Errorf("%s: shared() = %v; want %v", c.name, got, c.want)
		}
	}
}
