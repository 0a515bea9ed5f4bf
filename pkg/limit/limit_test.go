package limit

import (
	"strings"
	"testing"

	"hk/pkg/getopt"
	"hk/pkg/host"
	"hk/pkg/stage"
)

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// set reads flags.
func set(flags ...string) (*Limits, error) {
	var fs getopt.Flags
	l := &Limits{}
	l.Flags(&fs)
	_, err := fs.Parse(flags)
	return l, err
}

func TestParse(t *testing.T) {
	const above = "the soft limit is above the hard limit"
	for _, c := range []struct {
		unit       unit
		v          string
		soft, hard uint64
		printed    string
		err        string
	}{
		{count, "0", 0, 0, "0", ""},
		{count, "256", 256, 256, "256", ""},
		{count, "18446744073709551614", Unlimited - 1, Unlimited - 1, "18446744073709551614", ""},
		{count, "unlimited", Unlimited, Unlimited, "unlimited", ""},
		{count, "18446744073709551615", 0, 0, "", `"18446744073709551615" is too large`},
		{count, "18446744073709551616", 0, 0, "", `"18446744073709551616" is not a number`},
		{count, "1K", 0, 0, "", `"1K" is not a number`},
		{count, "1s", 0, 0, "", `"1s" is not a number`},
		{count, "-1", 0, 0, "", `"-1" is not a number`},
		{count, "+1", 0, 0, "", `"+1" is not a number`},
		{count, "0x10", 0, 0, "", `"0x10" is not a number`},
		{count, "1.5", 0, 0, "", `"1.5" is not a number`},
		{count, "infinity", 0, 0, "", `"infinity" is not a number`},

		{size, "10", 10, 10, "10", ""},
		{size, "1K", 1 << 10, 1 << 10, "1024", ""},
		{size, "2M", 2 << 20, 2 << 20, "2097152", ""},
		{size, "3G", 3 << 30, 3 << 30, "3221225472", ""},
		{size, "4T", 4 << 40, 4 << 40, "4398046511104", ""},
		{size, "16777215T", 16777215 << 40, 16777215 << 40, "18446742974197923840", ""},
		{size, "16777216T", 0, 0, "", `"16777216T" is too large`},
		{size, "18014398509481984K", 0, 0, "", `"18014398509481984K" is too large`},
		{size, "18446744073709551615", 0, 0, "", `"18446744073709551615" is too large`},
		{size, "K", 0, 0, "", `"K" is not a number`},
		{size, "1k", 0, 0, "", `"1k" is not a number: write 1K`},
		{size, "1.5gb", 0, 0, "", `"1.5gb" is not a number: write 1.5GB`},
		{size, "1kb5", 0, 0, "", `"1kb5" is not a number`},
		{size, "1KM", 0, 0, "", `"1KM" is not a number`},
		{size, "1.5G", 3 << 29, 3 << 29, "1610612736", ""},
		{size, "0.5K", 512, 512, "512", ""},
		{size, "1MiB", 1 << 20, 1 << 20, "1048576", ""},
		{size, "2MB", 2000000, 2000000, "2000000", ""},
		{size, "1.25GB", 1250000000, 1250000000, "1250000000", ""},
		{size, "1.5", 0, 0, "", `"1.5" is not a number`},
		{size, "1.G", 0, 0, "", `"1.G" is not a number`},
		{size, "1.x5G", 0, 0, "", `"1.x5G" is not a number`},
		{size, "1MiBiB", 0, 0, "", `"1MiBiB" is not a number`},
		{size, "1B", 0, 0, "", `"1B" is not a number`},
		{size, "18446744073709551.615KB", 0, 0, "", `"18446744073709551.615KB" is too large`},
		{size, "-1K", 0, 0, "", `"-1K" is not a number`},
		{size, "+1K", 0, 0, "", `"+1K" is not a number`},

		{seconds, "90", 90, 90, "90", ""},
		{seconds, "1m30s", 90, 90, "90", ""},
		{seconds, "1h", 3600, 3600, "3600", ""},
		{seconds, "2000ms", 2, 2, "2", ""},
		{seconds, "0s", 0, 0, "0", ""},
		{seconds, "1500ms", 0, 0, "", `"1500ms" is not a time in whole seconds`},
		{seconds, "-1s", 0, 0, "", `"-1s" is not a time in whole seconds`},
		{seconds, "+1s", 0, 0, "", `"+1s" is not a number`},
		{seconds, "1x", 0, 0, "", `"1x" is not a number`},
		{seconds, "1d", 0, 0, "", `"1d" is not a number`},
		{seconds, "9999999h", 0, 0, "", `"9999999h" is not a time in whole seconds`},
		{seconds, "1K", 0, 0, "", `"1K" is not a number`},

		{microseconds, "5", 5, 5, "5", ""},
		{microseconds, "5us", 5, 5, "5", ""},
		{microseconds, "5µs", 5, 5, "5", ""},
		{microseconds, "5ms", 5000, 5000, "5000", ""},
		{microseconds, "1s", 1000000, 1000000, "1000000", ""},
		{microseconds, "5ns", 0, 0, "", `"5ns" is not a time in whole microseconds`},

		{count, "1:2", 1, 2, "1:2", ""},
		{count, "2:2", 2, 2, "2", ""},
		{count, "0:unlimited", 0, Unlimited, "0:unlimited", ""},
		{size, "1K:1M", 1 << 10, 1 << 20, "1024:1048576", ""},
		{seconds, "30:1m", 30, 60, "30:60", ""},
		{count, "1:", 1, 0, "1:", ""},
		{count, ":2", 0, 2, ":2", ""},
		{count, "unlimited:", Unlimited, 0, "unlimited:", ""},
		{count, ":unlimited", 0, Unlimited, ":unlimited", ""},
		{count, "2:1", 0, 0, "", above},
		{count, "unlimited:5", 0, 0, "", above},
		{size, "1M:1K", 0, 0, "", above},
		{count, "", 0, 0, "", "a limit is SOFT[:HARD]"},
		{count, ":", 0, 0, "", "a limit is SOFT[:HARD]"},
		{count, "1:2:3", 0, 0, "", `"2:3" is not a number`},
		{count, "x:1", 0, 0, "", `"x" is not a number`},
		{count, "1:x", 0, 0, "", `"x" is not a number`},
	} {
		got, err := parse("name", c.unit, c.v)
		if err != nil {
			if message(err) != c.err {
				t.Errorf("parse(%d, %q) = %v; want %+v, %q", c.unit, c.v, err, c, c.err)
			}
			continue
		}
		soft, hard, _ := strings.Cut(c.v, ":")
		want := Limit{Resource: "name", Soft: c.soft, Hard: c.hard, KeepSoft: soft == "", KeepHard: hard == "" && strings.Contains(c.v, ":")}
		if got != want || c.err != "" {
			t.Errorf("parse(%d, %q) = %+v; want %+v, %q", c.unit, c.v, got, want, c.err)
		}
		if got.value() != c.printed {
			t.Errorf("parse(%d, %q).value() = %q; want %q", c.unit, c.v, got.value(), c.printed)
		}
		if again, err := parse("name", c.unit, got.value()); err != nil || again != got {
			t.Errorf("parse(%d, %q) = %+v, which is printed as %q and read as %+v, %v", c.unit, c.v, got, got.value(), again, err)
		}
	}
}

// TestUnits checks that each resource is read in the unit that getrlimit(2) has
// for it.
func TestUnits(t *testing.T) {
	for _, c := range []struct{ names, accepted, refused string }{
		{"as core data fsize memlock msgqueue rss stack", "1K", "1s"},
		{"cpu", "1s", "1ms"},
		{"rttime", "1us", "1ns"},
		{"locks nice nofile nproc rtprio sigpending", "1", "1K"},
	} {
		for _, name := range strings.Fields(c.names) {
			if _, err := set("--" + name + "=" + c.accepted); err != nil {
				t.Errorf("--%s=%s: %v; want no error", name, c.accepted, err)
			}
			if l, err := set("--" + name + "=" + c.refused); err == nil {
				t.Errorf("--%s=%s = %+v; want an error", name, c.refused, l.List)
			}
		}
	}
}

// values takes the values out of the text of a call.
var values = strings.NewReplacer("prlimit64(0, RLIMIT_", "", ", {rlim_cur=", " ", ", rlim_max=", " ", "}, NULL)", "")

// TestPlan sets limits, where the caller's are 1000 and 2000, in a chain whose next
// stage is a program of its own or not.
func TestPlan(t *testing.T) {
	const unit = "the next stage of this chain is executed as a program and could not start below "
	for _, c := range []struct {
		name         string
		flags        []string
		next, raises bool
		want, err    string
	}{
		{"both", []string{"--nofile=7"}, false, false, "NOFILE 7 7", ""},
		{"soft and hard", []string{"--nofile=7:8"}, false, false, "NOFILE 7 8", ""},
		{"soft only", []string{"--nofile=500:"}, false, false, "NOFILE 500 2000", ""},
		{"hard only", []string{"--nofile=:1500"}, false, false, "NOFILE 1000 1500", ""},
		{"one after the other", []string{"--nofile=:1500", "--nofile=7:"}, false, false, "NOFILE 1000 1500, NOFILE 7 1500", ""},
		{"none", nil, false, false, "", "no limit was given: see hk-limit(1)"},
		{"soft above the caller's hard", []string{"--nofile=2001:"}, false, false, "", "--nofile: the soft limit 2001 is above the hard limit 2000"},
		{"unlimited above the caller's hard", []string{"--nofile=unlimited:"}, false, false, "", "--nofile: the soft limit unlimited is above the hard limit 2000"},
		{"hard below the caller's soft", []string{"--nofile=:999"}, false, false, "", "--nofile: the soft limit 1000 is above the hard limit 999"},
		{"hard below the soft before", []string{"--nofile=7:9", "--nofile=:6"}, false, false, "NOFILE 7 9", "--nofile: the soft limit 7 is above the hard limit 6"},

		{"too little to start", []string{"--as=1M"}, true, false, "", "--as: " + unit + "1073741824: make hk-limit the last stage, or unset HK_FUSE"},
		{"enough to start", []string{"--as=1G"}, true, false, "AS 1048576*1024 1048576*1024", ""},
		{"too little, for the payload only", []string{"--as=1M"}, false, false, "AS 1024*1024 1024*1024", ""},
		{"too little, but it is raised", []string{"--as=1M:2G"}, true, true, "AS 1024*1024 2097152*1024", ""},
		{"too little, and it is not raised", []string{"--as=1M:2G"}, true, false, "", "--as: " + unit + "1073741824: make hk-limit the last stage, or unset HK_FUSE"},
		{"too few processes", []string{"--nproc=15"}, true, false, "", "--nproc: " + unit + "16: make hk-limit the last stage, or unset HK_FUSE"},
		{"no files are needed", []string{"--nofile=0"}, true, false, "NOFILE 0 0", ""},
	} {
		h := &host.Host{Rlimit: func(int) (soft, hard uint64) { return 1000, 2000 }, Raises: c.raises}
		s := stage.NewState(h)
		s.Next.Stage = c.next
		l, err := set(c.flags...)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		err = l.Plan(s)
		var got []string
		for _, it := range s.Plan.Items() {
			got = append(got, values.Replace(it.Op.String()))
		}
		if text := strings.Join(got, ", "); text != c.want || message(err) != c.err {
			t.Errorf("%s: Plan() of %q = %s, %q; want %s, %q", c.name, c.flags, text, message(err), c.want, c.err)
		}
	}
}

func TestSignal(t *testing.T) {
	for _, c := range []struct{ v, printed, err string }{
		{"KILL", "--signal=KILL", ""},
		{"SIGINT", "--signal=INT", ""},
		{"term", "--signal=TERM", ""},
		{"10", "--signal=USR1", ""},
		{"35", "--signal=35", ""},
		{"", "", `"" is not a signal`},
		{"0", "", `"0" is not a signal`},
		{"65", "", `"65" is not a signal`},
		{"256", "", `"256" is not a signal`},
		{"-9", "", `"-9" is not a signal`},
		{"+9", "", `"+9" is not a signal`},
		{"SIGSIGKILL", "", "is not a signal"},
		{"19", "", "SIGSTOP does not ask a process to end"},
		{"CONT", "", "SIGCONT does not ask a process to end"},
	} {
		l, err := set("--signal=" + c.v)
		if err != nil || c.err != "" {
			if !strings.Contains(message(err), c.err) || c.err == "" {
				t.Errorf("--signal=%s: %v; want %q", c.v, err, c.err)
			}
			continue
		}
		if got := strings.Join(l.Args(), " "); got != c.printed {
			t.Errorf("--signal=%s is printed as %s; want %s", c.v, got, c.printed)
		}
		if again, err := set(l.Args()...); err != nil || again.Signal != l.Signal {
			t.Errorf("--signal=%s is read again as %v, %v; want %v", c.v, again.Signal, err, l.Signal)
		}
	}
}
