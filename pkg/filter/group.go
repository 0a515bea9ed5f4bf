package filter

import (
	"fmt"
	"sort"
	"strings"
)

//go:generate go run mkgroups.go

// A group is a named set of calls from systemd.exec(5). Its members are separated by
// spaces, and can be other groups.
type group struct{ name, calls string }

// Group lists the calls in one of systemd's groups: "@clock". Calls that are newer than
// the systemd version of the table are in no group.
func Group(name string) ([]string, error) {
	i := sort.Search(len(groups), func(i int) bool { return groups[i].name >= name })
	if i == len(groups) || groups[i].name != name {
		return nil, fmt.Errorf("there is no group %s", name)
	}
	var list []string
	for _, word := range strings.Fields(groups[i].calls) {
		if word[0] != '@' {
			list = append(list, word)
			continue
		}
		more, err := Group(word)
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	return list, nil
}
