package plan

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// An Arg is an argument of a system call: a number, an earlier op's result, or a
// pointer to memory. Its text is made on demand: most plans are performed and never
// printed.
type Arg struct {
	val uint64
	// is a *Result, a *Buffer, a name, a func(uint64) string that prints val, or nil
	// for a decimal number.
	is any
}

func (a Arg) String() string {
	switch is := a.is.(type) {
	case *Result:
		return is.String()
	case *Buffer:
		return is.String()
	case string:
		return is
	case func(uint64) string:
		return is(a.val)
	}
	return strconv.FormatInt(int64(a.val), 10)
}

// Buffer is the memory that the argument points to, or nil.
func (a Arg) Buffer() *Buffer {
	b, _ := a.is.(*Buffer)
	return b
}

// Result is the result of an earlier op that the argument is, or nil.
func (a Arg) Result() *Result {
	r, _ := a.is.(*Result)
	return r
}

// Number is the argument, if it is neither a result nor a pointer to a buffer; for such a
// pointer it is where in the buffer it points to.
func (a Arg) Number() uint64 { return a.val }

// Int is a decimal argument.
func Int(n int64) Arg { return Arg{val: uint64(n)} }

// Octal is a file mode.
func Octal(n uint32) Arg { return Arg{uint64(n), octal} }

func octal(n uint64) string {
	if n == 0 {
		return "000"
	}
	return fmt.Sprintf("%#03o", n)
}

// Const is a number that is printed with its name in the manual page.
func Const(name string, v uint64) Arg { return Arg{v, name} }

// Value is a number that is printed by text.
func Value(v uint64, text func(uint64) string) Arg { return Arg{v, text} }

// Null is a null pointer.
func Null() Arg { return Arg{0, "NULL"} }

// Ref is the result of an earlier op.
func Ref(r *Result) Arg { return Arg{0, r} }

// Ptr is a pointer to memory.
func Ptr(b *Buffer) Arg { return Arg{0, b} }

// PtrAt is a pointer into memory, n bytes after its beginning.
func PtrAt(b *Buffer, n int) Arg { return Arg{uint64(n), b} }

// Str is a pointer to a string that ends in a null byte. s must not contain any.
func Str(s string) Arg { return Ptr(&Buffer{str: s, terminated: true}) }

// Bytes is a pointer to bytes, printed as a string.
func Bytes(b []byte) Arg { return Ptr(&Buffer{str: string(b)}) }

// A Buffer is memory that an argument points to: bytes, in which results of earlier ops
// and pointers to other memory are stored.
type Buffer struct {
	// str is the content if it is a string, with a null byte after it if it is to be
	// terminated; otherwise the content is bytes.
	str        string
	terminated bool
	bytes      []byte
	// size is for memory without content.
	size int
	refs []Reference
	// text is the content in strace's notation; for a string it is nil.
	text func() string
	// given is what a run gives in place of the content, or 0.
	given Given
	// number counts the buffers of a plan, starting with 1.
	number int
}

// A Reference is a place in a buffer where a result, or the address of another buffer,
// is stored.
type Reference struct {
	Offset int
	Size   int // 4 or 8 bytes, or [Decimal]
	Result *Result
	Buffer *Buffer
}

// Decimal is the size of a place where a result is written in decimal digits, with zeroes
// after them.
const Decimal = 20

// Reserve is n bytes of memory that a supervisor step fills; text is its name.
func Reserve(text string, n int) *Buffer {
	return &Buffer{size: n, text: func() string { return text }}
}

func (b *Buffer) String() string {
	if b.text == nil {
		return quote(b.str)
	}
	return b.text()
}

// Number is the number of the buffer in its plan, starting with 1; 0 before it is part
// of one.
func (b *Buffer) Number() int { return b.number }

// Len is the number of bytes of the buffer, at least 1.
func (b *Buffer) Len() int {
	n := len(b.str)
	if b.terminated {
		n++
	}
	return max(n, len(b.bytes), b.size, 1)
}

// CopyTo writes the content to memory that is zero and large enough.
func (b *Buffer) CopyTo(to []byte) {
	copy(to, b.str)
	copy(to, b.bytes)
}

// WorkingDirectory is memory for a variable whose value [Getcwd] writes.
func WorkingDirectory(name string) *Buffer {
	b := Reserve("$"+name, len(name)+1+unix.PathMax)
	b.bytes = []byte(name + "=")
	return b
}

// References are the places where something is stored. They must not be changed.
func (b *Buffer) References() []Reference { return b.refs }

// structure builds the bytes of a C struct, field by field, in host order.
type structure struct {
	Buffer
}

func (s *structure) u32(v uint32) *structure {
	s.bytes = binary.NativeEndian.AppendUint32(s.bytes, v)
	return s
}

func (s *structure) u64(v uint64) *structure {
	if s.bytes == nil {
		s.bytes = make([]byte, 0, 32)
	}
	s.bytes = binary.NativeEndian.AppendUint64(s.bytes, v)
	return s
}

func (s *structure) result32(r *Result) *structure {
	s.refs = append(s.refs, Reference{Offset: len(s.bytes), Size: 4, Result: r})
	return s.u32(0)
}

func (s *structure) result64(r *Result) *structure {
	s.refs = append(s.refs, Reference{Offset: len(s.bytes), Size: 8, Result: r})
	return s.u64(0)
}

func (s *structure) pointer(b *Buffer) *structure {
	s.refs = append(s.refs, Reference{Offset: len(s.bytes), Size: 8, Buffer: b})
	return s.u64(0)
}

func (s *structure) is(text func() string) *Buffer {
	s.text = text
	return &s.Buffer
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
