package setuser

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"hk/pkg/getopt"
	"hk/pkg/ids"
	"hk/pkg/plan"
	"hk/pkg/stage"
)

// A User is USER[:GROUP[:G1,G2...]], each a name or a decimal ID. One of the first two may
// be "keep", the ID of which does not change; the others are then decimal IDs.
type User struct {
	Name, Group string
	Groups      []string
}

// ParseUser parses USER[:GROUP[:G1,G2...]].
func ParseUser(s string) (*User, error) {
	fields := getopt.Value(s).Split(':')
	if len(fields) > 3 {
		return nil, errors.New("a user is USER[:GROUP[:G1,G2...]]")
	}
	u := &User{Name: fields[0].Text()}
	words := []string{u.Name}
	if len(fields) > 1 {
		u.Group = fields[1].Text()
		words = append(words, u.Group)
	}
	if len(fields) > 2 && fields[2] != "" {
		u.Groups = getopt.List(string(fields[2]))
		words = append(words, u.Groups...)
	}
	for _, w := range words {
		if err := checkName(w); err != nil {
			return nil, err
		}
	}
	if u.keeps() && (u.Group == "" || !isID(u.Name) && !isID(u.Group) || !allIDs(u.Groups)) {
		return nil, errors.New("keep is keep:GROUP or USER:keep, with decimal IDs")
	}
	return u, nil
}

// keeps reports whether one of the IDs does not change.
func (u *User) keeps() bool { return u.Name == keep || u.Group == keep }

// changes reports whether the user ID changes.
func (u *User) changes() bool { return u != nil && u.Name != keep }

func (u *User) String() string {
	s := getopt.Escape(u.Name, ":")
	if u.Group != "" {
		s += ":" + getopt.Escape(u.Group, ":")
	}
	if len(u.Groups) > 0 {
		s += getopt.Value(":" + getopt.JoinList(u.Groups))
	}
	return string(s)
}

// isRoot reports whether the user ID becomes 0.
func (u *User) isRoot() bool { return u.Name == "root" || u.Name == "0" }

// checkName rejects a word that is neither a decimal ID nor a name: a word that starts
// like a number must be a number, so that a typing error does not become a user name.
func checkName(w string) error {
	if w == "" {
		return errors.New("an empty name")
	}
	if strings.ContainsAny(w, " \t\n:,/\x00") {
		return fmt.Errorf("%q is not a name", w)
	}
	if w[0] == '+' || w[0] == '-' || w[0] >= '0' && w[0] <= '9' {
		if _, err := ids.Parse(w); err != nil {
			return err
		}
	}
	return nil
}

func isID(w string) bool { return w != "" && w[0] >= '0' && w[0] <= '9' }

// known reports whether a word of a User needs no lookup.
func known(w string) bool { return isID(w) || w == keep }

// identify returns the arguments of setresuid(2) and setresgid(2) and the ops that set
// the supplementary groups, including a lookup in passwd and group if one of them is a
// name.
func (c *Credentials) identify(s *stage.State) (uid, gid plan.Arg, groups []*plan.Op, err error) {
	u := c.User
	list, names, err := c.groupList()
	if err != nil {
		return uid, gid, nil, err
	}
	if known(u.Name) && known(u.Group) && names == nil && (c.Groups != "" || allIDs(u.Groups)) {
		n, _ := ids.Parse(u.Name)
		g, _ := ids.Parse(u.Group)
		uid, gid = plan.Int(int64(n)), plan.Int(int64(g))
		if c.Groups == "" {
			list = numbers(u.Groups)
		}
		if c.Groups != keep {
			groups = append(groups, mayKeepGroups(plan.Setgroups(list)))
		}
		return uid, gid, groups, nil
	}
	if u.keeps() {
		return uid, gid, nil, errors.New("--user with keep: --groups must be decimal IDs")
	}
	if c.Groups != "" && names == nil {
		names = decimal(list)
	} else if c.Groups == "" {
		names = u.Groups
	}
	l := newLookup(s, u.Name, u.Group, names)
	// If no group is given, the user is in all groups that list it.
	l.member = u.Group == "" && c.Groups == ""
	l.plan(s)
	if c.Groups != keep {
		groups = append(groups, l.setgroups())
	}
	return plan.Ref(l.uid), plan.Ref(l.gid), groups, nil
}

// groupList parses Groups: numbers if all of them are numbers, otherwise names.
func (c *Credentials) groupList() (list []uint32, names []string, err error) {
	if c.Groups == "" || c.Groups == "none" || c.Groups == keep {
		return nil, nil, nil
	}
	words := getopt.List(c.Groups)
	for _, w := range words {
		if err := checkName(w); err != nil {
			return nil, nil, fmt.Errorf("--groups: %w", err)
		}
	}
	if allIDs(words) {
		return numbers(words), nil, nil
	}
	return nil, words, nil
}

func allIDs(words []string) bool {
	for _, w := range words {
		if !isID(w) {
			return false
		}
	}
	return true
}

func numbers(words []string) []uint32 {
	var list []uint32
	for _, w := range words {
		n, _ := ids.Parse(w)
		list = append(list, n)
	}
	return list
}

func decimal(list []uint32) []string {
	words := []string{}
	for _, n := range list {
		words = append(words, strconv.FormatUint(uint64(n), 10))
	}
	return words
}
