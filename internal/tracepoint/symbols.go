package tracepoint

import (
	"bufio"
	"errors"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

// A Span is where a function of the kernel is.
type Span struct{ from, to uint64 }

// Spans are those of functions by their names, also of what the compiler has made of one and
// called "name.isra.0". An error is that the kernel does not tell addresses.
func Spans(names []string) (map[string][]Span, error) {
	f, err := os.Open("/proc/kallsyms")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseSymbols(f, names)
}

var errHidden = errors.New("/proc/kallsyms: it has no addresses of functions")

func parseSymbols(r io.Reader, names []string) (map[string][]Span, error) {
	var all []uint64
	starts := map[string][]uint64{}
	for in := bufio.NewScanner(r); in.Scan(); {
		at, rest, _ := strings.Cut(in.Text(), " ")
		kind, name, _ := strings.Cut(rest, " ")
		if !slices.Contains([]string{"t", "T", "w", "W"}, kind) {
			continue
		}
		addr, err := strconv.ParseUint(at, 16, 64)
		if err != nil || addr == 0 {
			continue
		}
		all = append(all, addr)
		name, _, _ = strings.Cut(name, "\t") // of a module
		name, _, _ = strings.Cut(name, ".")
		if slices.Contains(names, name) {
			starts[name] = append(starts[name], addr)
		}
	}
	if len(starts) == 0 {
		return nil, errHidden
	}
	slices.Sort(all)
	spans := map[string][]Span{}
	for name, list := range starts {
		for _, from := range list {
			next, _ := slices.BinarySearch(all, from+1)
			if next < len(all) {
				spans[name] = append(spans[name], Span{from, all[next]})
			}
		}
	}
	return spans, nil
}

// Has reports whether an address is in the function.
func (s Span) Has(addr uint64) bool { return s.from <= addr && addr < s.to }
