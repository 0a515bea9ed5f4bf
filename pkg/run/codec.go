package run

import (
	"encoding/binary"
	"errors"
)

// An encoder appends numbers as varints, and texts after their lengths.
type encoder struct{ b []byte }

func (e *encoder) number(list ...int) {
	for _, n := range list {
		e.b = binary.AppendVarint(e.b, int64(n))
	}
}

func (e *encoder) numbers(list []int) {
	e.number(len(list))
	e.number(list...)
}

func (e *encoder) offsets(list []offset) {
	e.number(len(list))
	for _, o := range list {
		e.number(int(o))
	}
}

func (e *encoder) flag(list ...bool) {
	for _, f := range list {
		b := byte(0)
		if f {
			b = 1
		}
		e.b = append(e.b, b)
	}
}

func (e *encoder) text(list ...string) {
	for _, s := range list {
		e.number(len(s))
		e.b = append(e.b, s...)
	}
}

// gap is the number of zeroes from which on memory is not written.
const gap = 64

// memory appends memory in pieces, skipping the zeroes between them.
func (e *encoder) memory(b []byte) {
	for i := 0; i < len(b); {
		zeroes := i
		for i < len(b) && b[i] == 0 {
			i++
		}
		start, end := i, i
		for ; i < len(b) && i-end < gap; i++ {
			if b[i] != 0 {
				end = i + 1
			}
		}
		i = end
		if start < end {
			e.number(start - zeroes)
			e.text(string(b[start:end]))
		}
	}
	e.number(-1)
}

// A decoder reads what an encoder has written. After a failure it returns zeroes.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail(text string) {
	if d.err == nil {
		d.err = errors.New(text)
	}
	d.b = nil
}

func (d *decoder) number() int {
	n, size := binary.Varint(d.b)
	if size <= 0 {
		d.fail("it ends too early")
		return 0
	}
	d.b = d.b[size:]
	return int(n)
}

// small is a number from 0 to most.
func (d *decoder) small(most int) int {
	n := d.number()
	if n < 0 || n > most {
		d.fail("a number is too large")
		return 0
	}
	return n
}

// most is more elements of a kind than any plan has.
const most = 1 << 17

// count is the number of elements that follow, each of at least one byte.
func (d *decoder) count() int {
	n := d.number()
	if n < 0 || n > len(d.b) || n > most {
		d.fail("fewer elements than announced")
		return 0
	}
	return n
}

func (d *decoder) numbers() []int {
	list := make([]int, d.count())
	for i := range list {
		list[i] = d.number()
	}
	return list
}

func (d *decoder) offsets() []offset {
	list := make([]offset, d.count())
	for i := range list {
		list[i] = offset(d.small(maxArena))
	}
	return list
}

func (d *decoder) flag() bool {
	if len(d.b) == 0 || d.b[0] > 1 {
		d.fail("a flag is neither 0 nor 1")
		return false
	}
	f := d.b[0] == 1
	d.b = d.b[1:]
	return f
}

func (d *decoder) text() string {
	n := d.number()
	if n < 0 || n > len(d.b) {
		d.fail("it ends too early")
		return ""
	}
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}

// memory reads n bytes of memory.
func (d *decoder) memory(n int) []byte {
	b := make([]byte, n)
	for at := 0; ; {
		skip := d.number()
		if skip == -1 || d.err != nil {
			return b
		}
		piece := d.text()
		if skip < 0 || skip > n-at || len(piece) > n-at-skip {
			d.fail("more memory than available")
			return b
		}
		at += skip
		at += copy(b[at:], piece)
	}
}
