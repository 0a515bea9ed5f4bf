package learn

import (
	"encoding/binary"
	"reflect"
	"testing"

	"golang.org/x/sys/unix"
)

func TestFileCaps(t *testing.T) {
	const raw = 1 << unix.CAP_NET_RAW
	data := func(words ...uint32) (b []byte) {
		for _, w := range words {
			b = binary.LittleEndian.AppendUint32(b, w)
		}
		return b
	}
	for _, c := range []struct {
		data []byte
		want uint64
	}{
		{data(0x02000001, raw, 0, 1<<(unix.CAP_PERFMON-32), 0), raw | 1<<unix.CAP_PERFMON},
		{data(0x03000001, raw, 0, 0, 0, 1000), raw},
		{data(0x01000001, raw, 0), raw},
		{data(0x02000000, raw, 0, 0, 0), 0}, // not effective: it is executed without them
		{data(0x02000001, raw), 0},
		{nil, 0},
	} {
		if got := fileCaps(c.data); got != c.want {
			t.Errorf("fileCaps(%x) = %#x; want %#x", c.data, got, c.want)
		}
	}
}

func TestSecure(t *testing.T) {
	vector := func(words ...uint64) (b []byte) {
		for _, w := range words {
			b = binary.NativeEndian.AppendUint64(b, w)
		}
		return b
	}
	for _, c := range []struct {
		aux  []byte
		want bool
	}{
		{vector(3, 23, 23, 1, 0, 0), true},
		{vector(3, 23, 23, 0, 0, 0), false},
		{vector(3, 1, 0, 0), false},
		{vector(23), false},
		{nil, false},
	} {
		if got := secure(c.aux); got != c.want {
			t.Errorf("secure(%x) = %v; want %v", c.aux, got, c.want)
		}
	}
}

func TestUsage(t *testing.T) {
	a := &usage{Caps: []string{"chown"}, Told: true, Network: "own", Loopback: true, Opened: []string{"/a"}}
	text, err := a.text()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := parseUsage(text); err != nil || !reflect.DeepEqual(again, a) {
		t.Errorf("parseUsage(%s) = %+v, %v; want %+v", text, again, err, a)
	}
	for _, bad := range []string{"", "{}", "[]", `{"hk-learn": 2}`, `{"hk-learn": 1, "x": 1}`, `{"hk-learn": 1, "caps": ["no"]}`, `{"hk-learn": 1} {}`} {
		if u, err := parseUsage([]byte(bad)); err == nil {
			t.Errorf("parseUsage(%s) = %+v; want an error", bad, u)
		}
	}
	for _, c := range []struct{ one, other, want usage }{
		{usage{}, usage{Network: "used"}, usage{Network: "used"}},
		{usage{Network: "own", Loopback: true}, usage{Network: "used"}, usage{Network: "used"}},
		{usage{Network: "used"}, usage{Network: "own", Loopback: true}, usage{Network: "used"}},
		{usage{Network: "own", Loopback: true}, usage{}, usage{Network: "own", Loopback: true}},
		{usage{Told: true}, usage{Unsure: "why"}, usage{Unsure: "why"}},
	} {
		got := c.one
		got.add(&c.other)
		if got.Network != c.want.Network || got.Loopback != c.want.Loopback || got.Told != c.want.Told || got.Unsure != c.want.Unsure {
			t.Errorf("%+v and %+v are %+v; want %+v", c.one, c.other, got, c.want)
		}
	}
	a.add(&usage{Caps: []string{"kill", "chown"}, Opened: []string{"/b", "/a"}})
	if want := (usage{Format: 1, Caps: []string{"chown", "kill"}, Network: "own", Loopback: true, Opened: []string{"/a", "/b"}}); !reflect.DeepEqual(*a, want) {
		t.Errorf("added: %+v; want %+v", *a, want)
	}
}
