package netns

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"hk/pkg/getopt"
)

// parseArgs parses a list of arguments for pasta.
func parseArgs(list string) ([]string, error) {
	if list == "" {
		return nil, nil
	}
	args := getopt.List(list)
	if slices.Contains(args, "") {
		return nil, errors.New("an empty argument")
	}
	return args, checkArgs(args)
}

// reserved are the options that tell pasta which namespaces to use and how to report that
// it is ready. The caller cannot change them.
var reserved = []struct{ short, long string }{
	{"f", "foreground"}, {"q", "quiet"}, {"P", "pid"}, {"", "netns"}, {"", "userns"}, {"", "netns-only"}, {"", "runas"},
	{"h", "help"}, {"", "version"},
}

func checkArgs(args []string) error {
	if args[0][0] != '-' || len(args[0]) < 2 {
		return fmt.Errorf("%q is not an option of pasta", args[0])
	}
	for _, a := range args {
		if a == "--" {
			return errors.New("\"--\": only options of pasta can be given")
		}
		for _, o := range reserved {
			if isOption(a, o.short, o.long) {
				return fmt.Errorf("%s cannot be given: hk-net sets it, or needs it to be absent", a)
			}
		}
	}
	return nil
}

// isOption reports whether a word is an option with one of these names, with or without
// a value. getopt_long(3) accepts the start of a long name, and several short options
// without a value in one word.
func isOption(word, short, long string) bool {
	if name, ok := strings.CutPrefix(word, "--"); ok {
		name, _, _ = strings.Cut(name, "=")
		return name != "" && strings.HasPrefix(long, name)
	}
	letters, ok := strings.CutPrefix(word, "-")
	if !ok || short == "" {
		return false
	}
	return strings.HasPrefix(strings.TrimLeft(letters, strings.ReplaceAll("defqh46", short, "")), short)
}

// defaults are the kinds of forwarding that pasta does by default, and that are
// disabled unless the caller gives the option: connections from the outside (t, u), and
// those to 127.0.0.1 in the namespace, which pasta forwards to the host's (T, U).
var defaults = []struct{ short, long string }{
	{"t", "tcp-ports"}, {"u", "udp-ports"}, {"T", "tcp-ns"}, {"U", "udp-ns"},
}

// mapGateway undoes --no-map-gw, for which pasta has no option: the gateway's address
// is then the host's 127.0.0.1.
const mapGateway = "--map-gw"

// options are the arguments of pasta, made from args and the defaults.
func options(args []string) []string {
	list := []string{"--config-net"}
	if !slices.Contains(args, mapGateway) {
		list = append(list, "--no-map-gw")
	}
	for _, d := range defaults {
		given := func(a string) bool { return isOption(a, d.short, d.long) }
		if !slices.ContainsFunc(args, given) {
			list = append(list, "--"+d.long, "none")
		}
	}
	for _, a := range args {
		if a != mapGateway {
			list = append(list, a)
		}
	}
	return list
}
