package filter

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A Selection is one call, possibly only with certain arguments, or one of systemd's
// groups: "@clock".
type Selection struct {
	Name string
	// Conds must all be true.
	Conds []Cond
}

// ParseSelections parses a list: name,@group,name(arg0==1,arg1&0xf==2).
func ParseSelections(text string) ([]Selection, error) {
	var list []Selection
	for {
		name, rest := text, ""
		if i := strings.IndexAny(text, ",("); i >= 0 {
			name, rest = text[:i], text[i:]
		}
		s := Selection{Name: name}
		if err := checkName(name); err != nil {
			return nil, err
		}
		if strings.HasPrefix(rest, "(") {
			inside, after, ok := strings.Cut(rest[1:], ")")
			if !ok {
				return nil, fmt.Errorf("%s: no ) after the arguments", name)
			}
			if name[0] == '@' {
				return nil, fmt.Errorf("%s: a group has no arguments", name)
			}
			for _, word := range strings.Split(inside, ",") {
				c, err := ParseCond(word)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", name, err)
				}
				s.Conds = append(s.Conds, c)
			}
			rest = after
		}
		list = append(list, s)
		if rest == "" {
			return list, nil
		}
		if rest[0] != ',' {
			return nil, fmt.Errorf("%s: %q after the )", name, rest)
		}
		text = rest[1:]
	}
}

func checkName(name string) error {
	if name == "" {
		return errors.New("an empty name")
	}
	if name[0] == '@' {
		_, err := Group(name)
		return err
	}
	for _, c := range name {
		if c != '_' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return fmt.Errorf("%q is not the name of a system call", name)
		}
	}
	return nil
}

func (s Selection) String() string {
	if len(s.Conds) == 0 {
		return s.Name
	}
	words := make([]string, len(s.Conds))
	for i, c := range s.Conds {
		words[i] = c.String()
	}
	return s.Name + "(" + strings.Join(words, ",") + ")"
}

func selectionsText(list []Selection) string {
	words := make([]string, len(list))
	for i, s := range list {
		words[i] = s.String()
	}
	return strings.Join(words, ",")
}

// operators by length, so that the longer one is found first.
var operators = []struct {
	text string
	op   Op
}{{"==", EQ}, {"!=", NE}, {"<=", LE}, {">=", GE}, {"<", LT}, {">", GT}}

// ParseCond parses a condition: arg0==1, arg1&0xf==2. Numbers are decimal, hexadecimal
// or octal, as in C; a negative number is a 64-bit number.
func ParseCond(text string) (Cond, error) {
	var c Cond
	rest, ok := strings.CutPrefix(text, "arg")
	if !ok || rest == "" || rest[0] < '0' || rest[0] > '5' {
		return c, fmt.Errorf("%q does not start with arg0 to arg5", text)
	}
	c.Arg, rest = int(rest[0]-'0'), rest[1:]
	for _, o := range operators {
		left, right, ok := strings.Cut(rest, o.text)
		if !ok {
			continue
		}
		var err error
		if c.Value, err = parseNumber(right); err != nil {
			return c, fmt.Errorf("%q: %w", text, err)
		}
		c.Op = o.op
		if strings.HasPrefix(right, "-") && c.Op != EQ && c.Op != NE {
			return c, fmt.Errorf("%q: arguments are compared as unsigned numbers", text)
		}
		mask, masked := strings.CutPrefix(left, "&")
		if !masked {
			if left != "" {
				break
			}
			return c, nil
		}
		if c.Op != EQ {
			return c, fmt.Errorf("%q: a masked argument can be compared only with ==", text)
		}
		c.Op = MaskedEQ
		if c.Mask, err = parseNumber(mask); err != nil {
			return c, fmt.Errorf("%q: %w", text, err)
		}
		return c, nil
	}
	return c, fmt.Errorf("%q: after the argument comes == != < <= > >= or &MASK==", text)
}

func parseNumber(text string) (uint64, error) {
	digits, negative := strings.CutPrefix(text, "-")
	n, err := strconv.ParseUint(digits, 0, 64)
	if err != nil || strings.ContainsRune(digits, '_') || negative && n > 1<<63 {
		return 0, fmt.Errorf("%q is not a 64-bit number", text)
	}
	if negative {
		n = -n
	}
	return n, nil
}

func (c Cond) String() string {
	number := func(n uint64) string {
		if n < 10 {
			return strconv.FormatUint(n, 10)
		}
		return fmt.Sprintf("%#x", n)
	}
	if c.Op == MaskedEQ {
		return fmt.Sprintf("arg%d&%s==%s", c.Arg, number(c.Mask), number(c.Value))
	}
	sign := ""
	for _, o := range operators {
		if o.op == c.Op {
			sign = o.text
		}
	}
	return fmt.Sprintf("arg%d%s%s", c.Arg, sign, number(c.Value))
}
