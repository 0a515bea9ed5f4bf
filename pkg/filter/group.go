package filter

import (
	"fmt"
	"sort"
	"strings"
)

//go:generate go run mkgroups.go

// A group is a set of calls under one name, of systemd.exec(5). What is in it is
// separated by blanks; another group may be.
type group struct{ name, calls string }

// Group lists the calls of one of systemd's groups: "@clock". Calls that are
// younger than the systemd of which the table is made are in none.
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
