package tracepoint

import (
	"encoding/binary"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWrapped(t *testing.T) {
	if got := string(wrapped([]byte("efghabcd"), 12, 8)); got != "abcdefgh" {
		t.Errorf("wrapped = %q; want abcdefgh", got)
	}
}

// TestParseSample has a sample with functions, and each beginning of it.
func TestParseSample(t *testing.T) {
	record := make([]byte, 8, 64)
	binary.NativeEndian.PutUint32(record, unix.PERF_RECORD_SAMPLE)
	for _, n := range []uint32{10, 11, 2, 0, 0x1111, 0, 0x2222, 0, 4, 7 | 9<<16} {
		record = binary.NativeEndian.AppendUint32(record, n)
	}
	s, ok := ParseSample(record, true)
	if !ok || s.PID != 10 || s.TID != 11 || !slices.Equal(s.Stack, []uint64{0x1111, 0x2222}) || len(s.Raw) != 4 || s.ID() != 7 {
		t.Errorf("ParseSample() = %+v, %v", s, ok)
	}
	for n := range record {
		if n >= 8 {
			if s, ok := ParseSample(record[:n], true); ok {
				t.Errorf("ParseSample() of the first %d bytes = %+v", n, s)
			}
		}
	}
	binary.NativeEndian.PutUint64(record[16:], 1<<61)
	if s, ok := ParseSample(record, true); ok {
		t.Errorf("ParseSample() with too many functions = %+v", s)
	}
}

func TestSymbols(t *testing.T) {
	const text = "1000 T a\n1000 t alias\n1010 t b.isra.0\n1020 d data\n1030 T b\n1040 t in_module\t[x]\n1050 T last\n"
	spans, err := parseSymbols(strings.NewReader(text), []string{"a", "b", "data", "in_module", "last"})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]Span{"a": {{0x1000, 0x1010}}, "b": {{0x1010, 0x1030}, {0x1030, 0x1040}}, "in_module": {{0x1040, 0x1050}}}
	if !reflect.DeepEqual(spans, want) {
		t.Errorf("parseSymbols() = %x; want %x", spans, want)
	}
	if s := spans["a"][0]; !s.Has(0x1000) || s.Has(0x1010) {
		t.Errorf("%x does not have its functions", s)
	}
	if _, err := parseSymbols(strings.NewReader("0000000000000000 T a\n"), []string{"a"}); err == nil {
		t.Error("symbols without addresses are taken")
	}
}
