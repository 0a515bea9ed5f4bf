package host

import (
	"testing"

	"hk/pkg/ids"
)

func TestRootIn(t *testing.T) {
	for _, c := range []struct {
		name, maps  string
		owner, self uint32
		id          uint32
		known       bool
	}{
		{"an ordinary user's, who is root there", "0 1000 1\n", 65534, 0, ids.None, true},
		{"with subordinate ids, nobody among them", "0 1000 1\n1 100000 65536\n", 65534, 0, ids.None, true},
		{"root's, as another id", "7 0 1\n", 7, 7, 7, true},
		{"root's, as nobody", "65534 0 1\n", 65534, 65534, 65534, true},
		{"root's, who has no id in it", "0 100000 65536\n", 65534, 65534, ids.None, false},
		{"root's, who has become another", "0 100000 65536\n", 65534, 0, ids.None, true},
		{"somebody's who has no id in it", "0 100000 1000\n", 65534, 65534, ids.None, false},
		{"not mapped", "", 65534, 65534, ids.None, false},
	} {
		id, known := rootIn(c.maps, c.owner, c.self)
		if id != c.id || known != c.known {
			t.Errorf("%s: rootIn(%q, %d, %d) = %d, %v; want %d, %v", c.name, c.maps, c.owner, c.self, id, known, c.id, c.known)
		}
	}
}
