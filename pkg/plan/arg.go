package plan

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// An Arg is one argument of a system call: a number, an earlier op's result,
// or a pointer to memory.
type Arg struct {
	text string
	val  uint64
	res  *Result
	mem  *Mem
}

func (a Arg) String() string {
	switch {
	case a.res != nil:
		return a.res.String()
	case a.mem != nil:
		return a.mem.String()
	}
	return a.text
}

// Int is a decimal argument.
func Int(n int64) Arg { return Arg{text: strconv.FormatInt(n, 10), val: uint64(n)} }

// Octal is a file mode.
func Octal(n uint32) Arg {
	return Arg{text: octal(n), val: uint64(n)}
}

func octal(n uint32) string {
	if n == 0 {
		return "000"
	}
	return fmt.Sprintf("%#03o", n)
}

// Sym is a number with the name that the manual gives it.
func Sym(name string, v uint64) Arg { return Arg{text: name, val: v} }

// Null is a null pointer.
func Null() Arg { return Arg{text: "NULL"} }

// Ref is the value that an earlier op gives.
func Ref(r *Result) Arg { return Arg{res: r} }

// Ptr is a pointer to memory.
func Ptr(m *Mem) Arg { return Arg{mem: m} }

// Str is a pointer to a string that ends in a null byte. s must hold none.
func Str(s string) Arg { return Ptr(&Mem{text: quote(s), bytes: append([]byte(s), 0)}) }

// Bytes is a pointer to bytes, printed as a string.
func Bytes(b []byte) Arg { return Ptr(&Mem{text: quote(string(b)), bytes: b}) }

// A Mem is memory that an argument points to: bytes, in which results of
// earlier ops and pointers to other memory are stored.
type Mem struct {
	// text is strace's notation of the content; each %s in it is a result, in
	// the order of refs.
	text  string
	bytes []byte
	size  int
	refs  []ref
}

type ref struct {
	off  int
	size int // 4 or 8 bytes
	res  *Result
	mem  *Mem
}

// Reserve is memory of n bytes which an outside step fills; text is its name.
func Reserve(text string, n int) *Mem { return &Mem{text: text, size: n} }

func (m *Mem) String() string {
	var names []any
	for _, r := range m.refs {
		if r.res != nil {
			names = append(names, r.res.String())
		}
	}
	if len(names) == 0 {
		return m.text
	}
	return fmt.Sprintf(m.text, names...)
}

// structure builds the bytes of a C struct, field by field, in host order.
type structure struct {
	Mem
}

func (s *structure) u16(v uint16) *structure {
	s.bytes = binary.NativeEndian.AppendUint16(s.bytes, v)
	return s
}

func (s *structure) u32(v uint32) *structure {
	s.bytes = binary.NativeEndian.AppendUint32(s.bytes, v)
	return s
}

func (s *structure) u64(v uint64) *structure {
	s.bytes = binary.NativeEndian.AppendUint64(s.bytes, v)
	return s
}

func (s *structure) result32(r *Result) *structure {
	s.refs = append(s.refs, ref{off: len(s.bytes), size: 4, res: r})
	return s.u32(0)
}

func (s *structure) result64(r *Result) *structure {
	s.refs = append(s.refs, ref{off: len(s.bytes), size: 8, res: r})
	return s.u64(0)
}

func (s *structure) pointer(m *Mem) *structure {
	s.refs = append(s.refs, ref{off: len(s.bytes), size: 8, mem: m})
	return s.u64(0)
}

func (s *structure) is(text string) *Mem {
	s.text = text
	return &s.Mem
}

// quote prints a string as strace does with -s large enough.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '"', '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case '\n':
			b.WriteString(`\n`)
		case '\t':
			b.WriteString(`\t`)
		case '\r':
			b.WriteString(`\r`)
		case '\v':
			b.WriteString(`\v`)
		case '\f':
			b.WriteString(`\f`)
		default:
			if c >= ' ' && c < 0x7f {
				b.WriteByte(c)
				break
			}
			// strace uses the shortest octal form that the next byte allows.
			if i+1 < len(s) && s[i+1] >= '0' && s[i+1] <= '7' {
				fmt.Fprintf(&b, `\%03o`, c)
			} else {
				fmt.Fprintf(&b, `\%o`, c)
			}
		}
	}
	b.WriteByte('"')
	return b.String()
}
