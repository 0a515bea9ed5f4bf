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

// ParseSelections parses a list: name,@group,name(arg0==1,arg1&0xf==2). There may be
// blanks between its parts.
func ParseSelections(text string) ([]Selection, error) {
	var list []Selection
	for {
		name, rest := text, ""
		if i := strings.IndexAny(text, ",("); i >= 0 {
			name, rest = text[:i], text[i:]
		}
		s := Selection{Name: strings.Trim(name, blanks)}
		if err := checkName(s.Name); err != nil {
			return nil, err
		}
		if strings.HasPrefix(rest, "(") {
			if s.Name[0] == '@' {
				return nil, fmt.Errorf("%s: a group has no arguments", s.Name)
			}
			inside, after, ok := cutParenthesis(rest[1:])
			if !ok {
				return nil, fmt.Errorf("%s: no ) after the arguments", s.Name)
			}
			for _, word := range strings.Split(inside, ",") {
				c, err := ParseCond(word)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", s.Name, err)
				}
				s.Conds = append(s.Conds, c)
			}
			rest = strings.TrimLeft(after, blanks)
		}
		list = append(list, s)
		if rest == "" {
			return list, nil
		}
		if rest[0] != ',' {
			return nil, fmt.Errorf("%s: %q after the )", s.Name, rest)
		}
		text = rest[1:]
	}
}

// cutParenthesis divides text at the ) that closes what is open before it.
func cutParenthesis(text string) (inside, after string, found bool) {
	open := 1
	for i := range len(text) {
		switch text[i] {
		case '(':
			open++
		case ')':
			open--
		}
		if open == 0 {
			return text[:i], text[i+1:], true
		}
	}
	return text, "", false
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

// ParseCond parses a condition: arg0==1, arg1&0xf==2, arg0&CLONE_NEWUSER. A mask alone
// is true if any of its bits is set. Numbers are decimal, hexadecimal or octal, as in C,
// or constants by name, and N|N, ~N and parentheses of these; a negative number is a
// 64-bit number.
func ParseCond(text string) (Cond, error) {
	var c Cond
	bad := func(err error) (Cond, error) { return c, fmt.Errorf("%q: %w", text, err) }
	rest, ok := strings.CutPrefix(strings.Trim(text, blanks), "arg")
	if !ok || rest == "" || rest[0] < '0' || rest[0] > '5' {
		return c, fmt.Errorf("%q does not start with arg0 to arg5", text)
	}
	c.Arg, rest = int(rest[0]-'0'), strings.TrimLeft(rest[1:], blanks)
	left, right, op := cutOperator(rest)
	mask, masked := strings.CutPrefix(left, "&")
	if !masked && (left != "" || op == nil) {
		return c, fmt.Errorf("%q: after the argument comes == != < <= > >= or &MASK", text)
	}
	var err error
	c.Op = MaskedNE // if there is only a mask
	if op != nil {
		c.Op = *op
		if c.Value, err = parseNumber(right); err != nil {
			return bad(err)
		}
		if strings.HasPrefix(strings.TrimLeft(right, blanks), "-") && c.Op != EQ && c.Op != NE {
			return bad(errors.New("arguments are compared as unsigned numbers"))
		}
	}
	if !masked {
		return c, nil
	}
	switch c.Op {
	case EQ:
		c.Op = MaskedEQ
	case NE, MaskedNE:
		c.Op = MaskedNE
	default:
		return bad(errors.New("a masked argument can be compared only with == and !="))
	}
	if c.Mask, err = parseNumber(mask); err != nil {
		return bad(err)
	}
	return c, nil
}

// cutOperator divides a condition at its operator, if it has one.
func cutOperator(text string) (left, right string, op *Op) {
	for i := range operators {
		if left, right, ok := strings.Cut(text, operators[i].text); ok {
			return strings.TrimRight(left, blanks), right, &operators[i].op
		}
	}
	return text, "", nil
}

const blanks = " \t"

func (c Cond) String() string {
	number := func(n uint64) string {
		if n < 10 {
			return strconv.FormatUint(n, 10)
		}
		return fmt.Sprintf("%#x", n)
	}
	switch c.Op {
	case MaskedEQ:
		return fmt.Sprintf("arg%d&%s==%s", c.Arg, number(c.Mask), number(c.Value))
	case MaskedNE:
		return fmt.Sprintf("arg%d&%s!=%s", c.Arg, number(c.Mask), number(c.Value))
	}
	sign := ""
	for _, o := range operators {
		if o.op == c.Op {
			sign = o.text
		}
	}
	return fmt.Sprintf("arg%d%s%s", c.Arg, sign, number(c.Value))
}
