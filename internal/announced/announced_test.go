package announced

import (
	"math/rand"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestMemory(t *testing.T) {
	words := []string{"hk-unshare", "--user", "", "a\nb"}
	m := New(words)
	if m == nil {
		t.Skip("no memory")
	}
	defer m.Close()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 100 {
				m.Add(1000*i + n + 1)
				m.Remove(1000*i + n + 1)
			}
		})
	}
	wg.Wait()
	for _, pid := range []int{7, 7 + slots, 7 + 2*slots} {
		m.Add(pid)
	}
	m.Remove(7 + slots)
	m.Add(0)
	m.Add(-1)
	size, pids, ok := Parse(m.b)
	if got := Words(m.b[Header : Header+size]); !ok || !slices.Equal(pids, []int{7, 7 + 2*slots}) || !slices.Equal(got, words) {
		t.Errorf("%v %v %q; want 7, %d and %q", ok, pids, got, 7+2*slots, words)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil || !strings.Contains(string(maps), "/memfd:"+Name) {
		t.Error("no mapping of that name", err)
	}
	for pid := range 2 * slots { // no more than there is space for
		m.Add(pid + 1)
	}
}

func TestNothing(t *testing.T) {
	var m *Memory
	m.Add(7)
	m.Remove(7)
	m.Close()
	if m := New([]string{strings.Repeat("x", Most+1)}); m != nil {
		t.Error("memory for a text that is too long")
	}
}

// FuzzParse has nothing read outside of what there is.
func FuzzParse(f *testing.F) {
	b := make([]byte, Header)
	for i := range b {
		b[i] = byte(rand.Int())
	}
	copy(b, magic)
	f.Add(b)
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		size, pids, ok := Parse(b)
		if ok && (size <= 0 || size > Most) || len(pids) > slots {
			t.Error(size, len(pids))
		}
	})
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		New([]string{"hk-unshare", "--all"}).Close()
	}
}

func BenchmarkAddRemove(b *testing.B) {
	m := New([]string{"hk-unshare", "--all"})
	defer m.Close()
	for b.Loop() {
		m.Add(4711)
		m.Remove(4711)
	}
}
