package unshare

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestParseOffset(t *testing.T) {
	for _, c := range []struct {
		text  string
		want  unix.Timespec
		print string // "" is the text
	}{
		{"0", unix.Timespec{}, ""},
		{"7", unix.Timespec{Sec: 7}, ""},
		{"-7", unix.Timespec{Sec: -7}, ""},
		{"1.5", unix.Timespec{Sec: 1, Nsec: 500000000}, ""},
		{"-1.5", unix.Timespec{Sec: -2, Nsec: 500000000}, ""},
		{"-0.000000001", unix.Timespec{Sec: -1, Nsec: 999999999}, ""},
		{"0.000000001", unix.Timespec{Nsec: 1}, ""},
		{"+2.10", unix.Timespec{Sec: 2, Nsec: 100000000}, "2.1"},
		{"-3.0", unix.Timespec{Sec: -3}, "-3"},
		{"9223372036854775807.999999999", unix.Timespec{Sec: 1<<63 - 1, Nsec: 999999999}, ""},
		{"-9223372036854775808", unix.Timespec{Sec: -1 << 63}, ""},
		{"-9223372036854775807.5", unix.Timespec{Sec: -1 << 63, Nsec: 500000000}, ""},
	} {
		got, err := ParseOffset(c.text)
		if err != nil || got != c.want {
			t.Errorf("ParseOffset(%q) = %v, %v; want %v", c.text, got, err, c.want)
		}
		if c.print == "" {
			c.print = c.text
		}
		if text := offsetText(got); text != c.print {
			t.Errorf("offsetText(%v) = %q; want %q", got, text, c.print)
		}
	}
	for _, text := range []string{"", ".", "1.", ".5", "-.5", "1.0000000000", "1.-5", "1.+5", "1e3", "1,5", " 1", "-9223372036854775808.5", "9223372036854775808", "0x1"} {
		if got, err := ParseOffset(text); err == nil {
			t.Errorf("ParseOffset(%q) = %v; want an error", text, got)
		}
	}
}

func FuzzParseOffset(f *testing.F) {
	f.Add("-1.5")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseOffset(text)
		if err != nil {
			return
		}
		if got.Nsec < 0 || got.Nsec > 999999999 {
			t.Errorf("ParseOffset(%q) = %v", text, got)
		}
		if again, err := ParseOffset(offsetText(got)); err != nil || again != got {
			t.Errorf("ParseOffset(%q) = %v, printed %q, which is %v, %v", text, got, offsetText(got), again, err)
		}
	})
}
