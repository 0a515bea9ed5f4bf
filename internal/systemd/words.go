package systemd

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// splitWords splits a value at blanks. Quotes group, and backslashes escape as in C:
// systemd.syntax(7), Quoting. An escape that C does not have stands for itself.
func splitWords(value string) (words []string, err error) {
	var word strings.Builder
	started, quote := false, byte(0)
	for i := 0; i < len(value); i++ {
		c := value[i]
		switch {
		case c == '\\' && i+1 < len(value):
			text, n := unescape(value[i:])
			word.WriteString(text)
			started = true
			i += n - 1
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteByte(c)
		case c == '"' || c == '\'':
			quote, started = c, true
		case strings.IndexByte(blanks+"\n", c) >= 0:
			if started {
				words = append(words, word.String())
			}
			word.Reset()
			started = false
		default:
			word.WriteByte(c)
			started = true
		}
	}
	if quote != 0 {
		return nil, errors.New("a quote that does not end")
	}
	if started {
		words = append(words, word.String())
	}
	return words, nil
}

// unescape is what a backslash with what follows it stands for, and how long that is.
func unescape(text string) (string, int) {
	const letters, meanings = `abfnrtv\"'s`, "\a\b\f\n\r\t\v\\\"' "
	if i := strings.IndexByte(letters, text[1]); i >= 0 {
		return meanings[i : i+1], 2
	}
	digits, base, skip := 0, 16, 2
	switch text[1] {
	case 'x':
		digits = 2
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	case '0', '1', '2', '3':
		digits, base, skip = 3, 8, 1
	}
	if digits > 0 && len(text) >= skip+digits {
		n, err := strconv.ParseUint(text[skip:skip+digits], base, 32)
		switch {
		case err != nil || n == 0 || n > utf8.MaxRune:
		case text[1] == 'u' || text[1] == 'U':
			return string(rune(n)), skip + digits
		default:
			return string([]byte{byte(n)}), skip + digits
		}
	}
	return text[:2], 2
}

// parseBool parses a truth value.
func parseBool(v string) (value, ok bool) {
	switch strings.ToLower(v) {
	case "1", "yes", "y", "true", "t", "on":
		return true, true
	case "0", "no", "n", "false", "f", "off":
		return false, true
	}
	return false, false
}

// parseSize parses bytes, with a suffix for a power of 1024. "infinity" is the highest
// number.
func parseSize(v string) (uint64, error) {
	bad := fmt.Errorf("%q is not a number of bytes", v)
	if v == "infinity" {
		return infinity, nil
	}
	digits := strings.TrimRight(v, "KMGTPEB ")
	scale := 1.0
	switch unit := strings.TrimSuffix(strings.TrimSpace(v[len(digits):]), "B"); {
	case unit == "":
	case len(unit) == 1:
		for range 1 + strings.Index("KMGTPE", unit) {
			scale *= 1024
		}
	default:
		return 0, bad
	}
	if n, err := strconv.ParseUint(digits, 10, 64); err == nil {
		if total := float64(n) * scale; total < 1<<63 {
			return n * uint64(scale), nil
		}
		return 0, bad
	}
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil || n < 0 || n*scale >= 1<<63 || strings.Trim(digits, "0123456789.") != "" {
		return 0, bad
	}
	return uint64(n * scale), nil
}

// infinity is no limit.
const infinity = ^uint64(0)

// parseTime parses a time in microseconds, systemd.time(7): numbers with units, which are
// added up. unit is that of a number without one, in microseconds.
func parseTime(v string, unit uint64) (uint64, error) {
	bad := fmt.Errorf("%q is not a time such as 1min 30s", v)
	if v == "infinity" {
		return infinity, nil
	}
	total, rest := 0.0, strings.TrimSpace(v)
	if rest == "" {
		return 0, bad
	}
	for rest != "" {
		end := strings.IndexFunc(rest, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
		if end < 0 {
			end = len(rest)
		}
		n, err := strconv.ParseFloat(rest[:end], 64)
		if err != nil {
			return 0, bad
		}
		rest = strings.TrimLeft(rest[end:], " ")
		end = strings.IndexFunc(rest, func(r rune) bool { return r >= '0' && r <= '9' || r == ' ' || r == '.' })
		if end < 0 {
			end = len(rest)
		}
		scale := timeUnit(rest[:end])
		if end == 0 {
			scale = unit
		}
		if scale == 0 {
			return 0, bad
		}
		total += n * float64(scale)
		rest = strings.TrimLeft(rest[end:], " ")
	}
	if total >= 1<<62 {
		return 0, bad
	}
	return uint64(total), nil
}

// timeUnit is a unit in microseconds, or 0.
func timeUnit(name string) uint64 {
	const second = 1_000_000
	switch name {
	case "us", "usec", "µs", "μs":
		return 1
	case "ms", "msec":
		return 1000
	case "s", "sec", "second", "seconds":
		return second
	case "m", "min", "minute", "minutes":
		return 60 * second
	case "h", "hr", "hour", "hours":
		return 3600 * second
	case "d", "day", "days":
		return 86400 * second
	case "w", "week", "weeks":
		return 7 * 86400 * second
	case "M", "month", "months":
		return 2629800 * second
	case "y", "year", "years":
		return 31557600 * second
	}
	return 0
}
