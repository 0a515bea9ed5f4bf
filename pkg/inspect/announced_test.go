package inspect

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"hk/internal/announced"
)

// said is such memory as the library writes it.
func said(pid uint32, length int, text string) []byte {
	b := make([]byte, announced.Header)
	copy(b, "hkchain1")
	binary.NativeEndian.PutUint32(b[8:], uint32(length))
	binary.NativeEndian.PutUint32(b[20:], pid)
	return append(b, text...)
}

func TestAnnouncedIn(t *testing.T) {
	const good = "7f0000000000-7f0000001000 rw-s 00000000 00:01 1234       /memfd:hk-chain (deleted)\n"
	text := "hk-limit\x00--core=0"
	for _, c := range []struct {
		name, maps string
		memory     []byte
		want       string
	}{
		{"as the library writes it", good, said(7, len(text), text), text},
		{"after other mappings", "7e0000000000-7e0000001000 r--p 00000000 00:00 0\n" + good, said(7, len(text), text), text},
		{"for another process", good, said(9, len(text), text), ""},
		{"longer than what is mapped", good, said(7, 4000, text), ""},
		{"longer than what there is", good, said(7, len(text)+1, text), ""},
		{"empty", good, said(7, 0, text), ""},
		{"too short", good, said(7, len(text), text)[:500], ""},
		{"on another device", strings.Replace(good, "00:01", "00:05", 1), said(7, len(text), text), ""},
		{"private", strings.Replace(good, "rw-s", "rw-p", 1), said(7, len(text), text), ""},
		{"not from the beginning", strings.Replace(good, "00000000 ", "00001000 ", 1), said(7, len(text), text), ""},
		{"another name", strings.Replace(good, "hk-chain", "hk-chains", 1), said(7, len(text), text), ""},
		{"a name that goes on", strings.Replace(good, "(deleted)", "(deleted) x", 1), said(7, len(text), text), ""},
		{"no end", strings.Replace(good, "-7f0000001000", "", 1), said(7, len(text), text), ""},
		{"the end before the beginning", strings.Replace(good, "-7f0000001000", "-7e0000000000", 1), said(7, len(text), text), ""},
	} {
		words, pid := announcedIn(c.maps, "00:01", []int{6, 7}, func(b []byte, at int64) (int, error) {
			if at < 0x7f0000000000 {
				return 0, errors.New("nothing is there")
			}
			return copy(b, c.memory[min(int(at-0x7f0000000000), len(c.memory)):]), nil
		})
		if got := strings.Join(words, "\x00"); got != c.want || (pid == 7) != (c.want != "") {
			t.Errorf("%s: %q, process %d; want %q", c.name, got, pid, c.want)
		}
	}
}

// TestManyMappings checks that a program cannot have them read without an end.
func TestManyMappings(t *testing.T) {
	var maps strings.Builder
	for i := range 2 * maxAnnounced {
		fmt.Fprintf(&maps, "%x-%x rw-s 00000000 00:01 1 /memfd:hk-chain (deleted)\n", i<<12, (i+1)<<12)
	}
	reads := 0
	words, _ := announcedIn(maps.String(), "00:01", []int{7}, func(b []byte, _ int64) (int, error) {
		reads++
		return copy(b, said(8, 1, "x")), nil
	})
	if words != nil || reads != maxAnnounced {
		t.Errorf("%d reads; want %d", reads, maxAnnounced)
	}
}
