package hakoniwa

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"hk/internal/cli"
	"hk/pkg/chain"
)

// FuzzLine checks that a command line is refused or makes a chain that is printed as
// one that parses to the same, and that nothing panics.
func FuzzLine(f *testing.F) {
	files, _ := filepath.Glob("testdata/chains/*.txt")
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, line := range strings.Split(string(b), "\n") {
			if words, ok := strings.CutPrefix(line, "$ hk-run "); ok {
				f.Add(strings.ReplaceAll(words, " ", "\n"))
			}
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		words := strings.Split(text, "\n")
		c, _, err := compiled(words, fakeHost(1000))
		if err != nil {
			if err.Error() == "" {
				t.Fatalf("%q: an error without a text", words)
			}
			return
		}
		args := c.Args()
		stages := args[:len(args)-len(c.Payload)-1]
		again, err := chain.Parse(stages)
		if err != nil {
			t.Fatalf("%q makes %q, which does not parse: %v", words, stages, err)
		}
		if !slices.Equal(again.Args(), stages) {
			t.Fatalf("%q makes %q, which prints as %q", words, stages, again.Args())
		}
	})
}

// FuzzQuote checks that a shell reads a quoted word as the word.
func FuzzQuote(f *testing.F) {
	for _, w := range []string{"", "a", "-e", "it's", "$HOME `x` \\", "a\nb", "~", "a=~/b", "*?[", "#", "!", "\x80\xff", "''"} {
		f.Add(w)
	}
	f.Fuzz(func(t *testing.T, w string) {
		if strings.ContainsRune(w, 0) || len(w) > 1000 {
			return
		}
		out, err := exec.Command("/bin/sh", "-c", "printf %s "+cli.Quote(w)+" "+cli.Quote(w)).Output()
		if err != nil || string(out) != w+w {
			t.Errorf("sh reads %s as %q, %v; want %q twice", cli.Quote(w), out, err, w)
		}
	})
}

func TestSize(t *testing.T) {
	for _, c := range []struct {
		v    string
		want uint64
	}{
		{"0", 0}, {"1000", 1000}, {"1k", 1000}, {"1K", 1000}, {"16M", 16000000}, {"16MB", 16000000}, {"16 MiB", 16777216}, {"2mib", 2097152},
		{"1.5G", 1500000000}, {"1_000", 1000}, {"1Ki", 1024}, {"3b", 3}, {"1.9", 1}, {"1t", 1e12}, {"1p", 1e15}, {"18e", 18e18},
	} {
		if got, err := size(c.v); err != nil || got != c.want {
			t.Errorf("size(%q) = %d, %v; want %d", c.v, got, err, c.want)
		}
	}
	for _, v := range []string{"", "x", "-1", "+1", "1x", "1kk", "1ib", "i", "M", ".5", "5.", "1.2.3", "19e", "18446744073709551615", "0x10", "1e3", "1/2", " 1", "_"} {
		if got, err := size(v); err == nil {
			t.Errorf("size(%q) = %d; want an error", v, got)
		}
	}
}

// FuzzSize checks that sizes are refused or are what they are without underscores.
func FuzzSize(f *testing.F) {
	for _, v := range []string{"16M", "1_0.5 kib", "e", "1e", "99999999999999999999"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v string) {
		n, err := size(v)
		if err != nil || len(v) > 100 {
			return
		}
		if again, err := size(strings.ReplaceAll(v, "_", "")); err != nil || again != n {
			t.Errorf("size(%q) = %d, but without underscores %d, %v", v, n, again, err)
		}
	})
}

// TestScaled compares with exact arithmetic.
func TestScaled(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		text := strconv.FormatUint(random.Uint64()>>random.IntN(64), 10)
		if n := random.IntN(20); n > 0 {
			text += "." + fmt.Sprintf("%020d", random.Uint64()>>random.IntN(64))[20-n:]
		}
		scale := []uint64{1, 1000, 1024, 1e18, 1 << 60}[random.IntN(5)]
		exact, _ := new(big.Rat).SetString(text)
		exact.Mul(exact, new(big.Rat).SetInt(new(big.Int).SetUint64(scale)))
		want := new(big.Int).Quo(exact.Num(), exact.Denom())
		if got, ok := scaled(text, scale); ok != want.IsUint64() || ok && got != want.Uint64() {
			t.Fatalf("scaled(%s, %d) = %d, %t; want %v", text, scale, got, ok, want)
		}
	}
}
