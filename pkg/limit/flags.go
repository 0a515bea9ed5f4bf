package limit

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"hk/pkg/getopt"
	"hk/pkg/stage"
)

// Kind is hk-limit.
var Kind = stage.Kind{
	Name: "hk-limit",
	New:  func() stage.Stage { return &Limits{} },
	Usage: `hk-limit [flags] [--] NEXT [args...]: set resource limits

Each flag takes SOFT[:HARD]; one value sets both, an empty one is not changed.
 sizes, with K M G T, powers of 1024
   --as --core --data --fsize --memlock --msgqueue --rss --stack
 times: --cpu in seconds or 1m30s, --rttime in microseconds or 5ms
 counts: --locks --nice --nofile --nproc --rtprio --sigpending
"unlimited" means no limit.
`,
}

// Flags binds l to the flags of hk-limit(1).
func (l *Limits) Flags(fs *getopt.Flags) {
	for _, r := range resources {
		fs.String(r.name, "", func(v string) error {
			lim, err := parse(r.name, r.unit, v)
			l.List = append(l.List, lim)
			return err
		})
	}
}

// Args prints l as flags.
func (l *Limits) Args() []string {
	var a getopt.Args
	for _, lim := range l.List {
		a.String(lim.Resource, lim.value())
	}
	return a
}

func (lim Limit) value() string {
	soft, hard := format(lim.Soft), format(lim.Hard)
	switch {
	case lim.KeepSoft:
		return ":" + hard
	case lim.KeepHard:
		return soft + ":"
	case lim.Soft == lim.Hard:
		return soft
	}
	return soft + ":" + hard
}

func format(v uint64) string {
	if v == Unlimited {
		return "unlimited"
	}
	return strconv.FormatUint(v, 10)
}

func parse(resource string, u unit, v string) (Limit, error) {
	lim := Limit{Resource: resource}
	first, second, two := getopt.Value(v).Cut(':')
	soft, hard := first.Text(), second.Text()
	if soft == "" && hard == "" {
		return lim, errors.New("a limit is SOFT[:HARD]")
	}
	var err error
	if soft == "" {
		lim.KeepSoft = true
	} else if lim.Soft, err = u.parse(soft); err != nil {
		return lim, err
	}
	switch {
	case !two:
		lim.Hard = lim.Soft
	case hard == "":
		lim.KeepHard = true
	default:
		if lim.Hard, err = u.parse(hard); err != nil {
			return lim, err
		}
	}
	if two && soft != "" && hard != "" && lim.Soft > lim.Hard {
		return lim, errors.New("the soft limit is above the hard limit")
	}
	return lim, nil
}

func (u unit) parse(s string) (uint64, error) {
	if s == "unlimited" {
		return Unlimited, nil
	}
	if s[0] == '+' {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	shift := 0
	digits := s
	switch u {
	case size:
		if i := strings.IndexByte("KMGT", s[len(s)-1]); i >= 0 {
			shift, digits = 10*(i+1), s[:len(s)-1]
		}
	case seconds, microseconds:
		if strings.ContainsAny(s, "hmnsuµ") {
			d, err := time.ParseDuration(s)
			if err != nil || d < 0 || d%u.base() != 0 {
				return 0, fmt.Errorf("%q is not a time in whole %s", s, map[unit]string{seconds: "seconds", microseconds: "microseconds"}[u])
			}
			return uint64(d / u.base()), nil
		}
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	if n > math.MaxUint64>>shift || n<<shift == Unlimited {
		return 0, fmt.Errorf("%q is too large", s)
	}
	return n << shift, nil
}
