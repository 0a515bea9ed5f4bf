package keeper

import (
	"strconv"
	"strings"
)

// parseKeyed reads a file with a key and a number on each line, such as memory.events
// and cpu.stat. Later kernels have more keys.
func parseKeyed(text string) map[string]int64 {
	m := map[string]int64{}
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if n, err := strconv.ParseInt(value, 10, 64); ok && err == nil {
			m[key] = n
		}
	}
	return m
}

// parseIOStat adds up the bytes of all devices in io.stat. A device that was not used
// has no line, or one without figures.
func parseIOStat(text string) (read, written int64) {
	for line := range strings.Lines(text) {
		for _, field := range strings.Fields(line) {
			key, value, _ := strings.Cut(field, "=")
			n, err := strconv.ParseInt(value, 10, 64)
			switch {
			case err != nil || n < 0:
			case key == "rbytes":
				read += n
			case key == "wbytes":
				written += n
			}
		}
	}
	return read, written
}

// parseServiceBytes does so for blkio.throttle.io_service_bytes, which has lines
// MAJOR:MINOR OPERATION BYTES.
func parseServiceBytes(text string) (read, written int64) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			continue
		}
		n, err := strconv.ParseInt(fields[2], 10, 64)
		switch {
		case err != nil || n < 0:
		case fields[1] == "Read":
			read += n
		case fields[1] == "Write":
			written += n
		}
	}
	return read, written
}

// parsePressure reads the totals in microseconds of memory.pressure and the like; ok is
// false if there are none.
func parsePressure(text string) (some, full int64, ok bool) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		for _, field := range fields {
			value, isTotal := strings.CutPrefix(field, "total=")
			n, err := strconv.ParseInt(value, 10, 64)
			switch {
			case !isTotal || err != nil || n < 0:
			case fields[0] == "some":
				some, ok = n, true
			case fields[0] == "full":
				full, ok = n, true
			}
		}
	}
	return some, full, ok
}

// parseCount reads a file with one number, or "max".
func parseCount(text string) (n int64, ok bool) {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	return n, err == nil && n >= 0
}
