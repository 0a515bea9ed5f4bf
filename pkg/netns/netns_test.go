package netns

import (
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"hk/pkg/getopt"
)

func TestOptions(t *testing.T) {
	for in, want := range map[string]string{
		"":                           "--config-net --no-map-gw --tcp-ports none --udp-ports none --tcp-ns none --udp-ns none",
		"-t,8080":                    "--config-net --no-map-gw --udp-ports none --tcp-ns none --udp-ns none -t 8080",
		"-T8080":                     "--config-net --no-map-gw --tcp-ports none --udp-ports none --udp-ns none -T8080",
		"--udp-ns=53,--udp-ports,53": "--config-net --no-map-gw --tcp-ports none --tcp-ns none --udp-ns=53 --udp-ports 53",
		"--map-gw":                   "--config-net --tcp-ports none --udp-ports none --tcp-ns none --udp-ns none",
		`-t,22\,80`:                  "--config-net --no-map-gw --udp-ports none --tcp-ns none --udp-ns none -t 22,80",
		"-46T8080":                   "--config-net --no-map-gw --tcp-ports none --udp-ports none --udp-ns none -46T8080",
		"--tcp-p=80":                 "--config-net --no-map-gw --udp-ports none --tcp-ns none --udp-ns none --tcp-p=80",
		"-a,1.2.3.4":                 "--config-net --no-map-gw --tcp-ports none --udp-ports none --tcp-ns none --udp-ns none -a 1.2.3.4",
		"--tcp-ports-of-mine,-4":     "--config-net --no-map-gw --tcp-ports none --udp-ports none --tcp-ns none --udp-ns none --tcp-ports-of-mine -4",
	} {
		args, err := parseArgs(in)
		if got := strings.Join(options(args), " "); err != nil || got != want {
			t.Errorf("options of %q = %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"1234", "-", ",", "-t,", "-t,,-4", "--,-4", "-t,22,--netns,/x", "--netns=/x", "--userns=/x",
		"--netns-only", "-P/x", "-P,/x", "--pid=/x", "-f", "--runas,0", "-q", "--help", "--version",
		"--netn=/x", "--us", "-46f", "-4P/x", "-6P,/x"} {
		if args, err := parseArgs(in); err == nil {
			t.Errorf("parseArgs(%q) = %q; want an error", in, args)
		}
	}
}

func FuzzArgs(f *testing.F) {
	for _, s := range []string{"", "-t,8080", `-t,22\,80`, `-S,a\\b\,`, "--map-gw,-4"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		args, err := parseArgs(in)
		if err != nil {
			return
		}
		again, err := parseArgs(getopt.JoinList(args))
		if err != nil || !slices.Equal(args, again) {
			t.Errorf("parseArgs(%q) = %q, %v; want %q, as of %q", getopt.JoinList(args), again, err, args, in)
		}
	})
}

func TestReady(t *testing.T) {
	for _, c := range []struct {
		say, words string
		err        error
	}{
		{"77\n", "", nil},
		{"a warning\n77\n", "", nil},
		{"177\n", "177", io.EOF},
		{"77", "77", io.EOF},
		{"", "", io.EOF},
		{"one\n\nFailed to send 9 bytes to syslog\ntwo\nUsage: x\n  -y\n", "one; two", io.EOF},
	} {
		if words, err := ready(strings.NewReader(c.say).Read, 77); words != c.words || !errors.Is(err, c.err) {
			t.Errorf("ready of %q = %q, %v; want %q, %v", c.say, words, err, c.words, c.err)
		}
	}
	// One that never says anything is given up.
	silent := func([]byte) (int, error) { return 0, os.ErrDeadlineExceeded }
	if _, err := ready(silent, 77); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("ready of a silent one = %v; want %v", err, os.ErrDeadlineExceeded)
	}
}

func TestForward(t *testing.T) {
	for in, want := range map[string]string{
		"80:/run/x.sock": "80:/run/x.sock", "127.0.0.1:80:x": "80:x", "127.0.0.2:65535:./x": "127.0.0.2:65535:./x",
		"[::1]:80:/x": "[::1]:80:/x", "[::]:1:/x": "[::]:1:/x", "0.0.0.0:80:/x": "0.0.0.0:80:/x",
		`80:/a\:b`: `80:/a\:b`, `80:/a\\b`: `80:/a\\b`, `80:/a\b`: `80:/a\\b`, "80:./@x": "80:./@x", "[0:0::1]:80:x": "[::1]:80:x",
	} {
		if f, err := ParseForward(in); err != nil || f.String() != want {
			t.Errorf("ParseForward(%q) = %v, %v; want %s", in, f, err, want)
		}
	}
	for _, in := range []string{"", "80", ":", "80:", ":/x", "0:/x", "65536:/x", "080:/x", "+80:/x", "-1:/x", "80 :/x", "http:/x",
		"::1:80:/x", "[::1]80:/x", "[::1:80:/x", "[::1]:/x", "[127.0.0.1]:80:/x", "[::ffff:127.0.0.1]:80:/x", "[fe80::1%lo]:80:/x",
		"localhost:80:/x", "1.2.3:80:/x", "01.2.3.4:80:/x", "80:/a:b", "80:@x", "80:/x/", "80:/", "80:.", "80:/x/..", "80:/a\x00b", "[]:80:/x", ":80:/x"} {
		if f, err := ParseForward(in); err == nil {
			t.Errorf("ParseForward(%q) = %v; want an error", in, f)
		}
	}
}

func FuzzForward(f *testing.F) {
	for _, s := range []string{"80:/run/x.sock", "[::1]:80:x", `127.0.0.2:1:a\:b\\`, "[::1]:", "@:80:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		to, err := ParseForward(in)
		if err != nil {
			return
		}
		if again, err := ParseForward(to.String()); err != nil || again != to {
			t.Errorf("ParseForward(%q) = %v, %v; want %v, as of %q", to, again, err, to, in)
		}
	})
}
