package execdeps

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

// An object is what a program or library says in its ELF headers, see elf(5), about the
// libraries that it needs. Package debug/elf could read them too, but it reads the
// sections, which a loader ignores and which may be stripped; and it would make every
// chain initialize packages for compression and debugging.
type object struct {
	// kind is class, byte order and machine: libraries of another kind are skipped.
	kind    [4]byte
	interp  string
	dynamic bool
	soname  string
	needed  []need
	rpath   string
	runpath string
	// hasRunpath is set if there is a DT_RUNPATH, which may be empty.
	hasRunpath bool
}

// A need is an object that the loader loads for another one. tag is DT_NEEDED, or
// DT_FILTER or DT_AUXILIARY, which musl does not know, and the last of which may be
// missing.
type need struct {
	tag  uint64
	name string
}

const (
	elfClass32, elfClass64 = 1, 2
	elfLittle, elfBig      = 1, 2

	ptLoad, ptDynamic, ptInterp = 1, 2, 3

	dtNull, dtNeeded, dtStrtab, dtSoname, dtRpath, dtRunpath = 0, 1, 5, 14, 15, 29
	dtAuxiliary, dtFilter                                    = 0x7ffffffd, 0x7fffffff

	// No real object has more than this. The strings are all those of one object
	// together: they may overlap in the file.
	maxHeaders = 1024
	maxDynamic = 1 << 20
	maxStrings = 1 << 20
	// maxString is PATH_MAX; only a search path may be longer.
	maxString = 4096
	maxPath   = 1 << 16
)

var errNotELF = errors.New("not in ELF")

// A segment is a program header.
type segment struct {
	kind                uint32
	offset, vaddr, size uint64
}

// parseELF parses an object. The error is errNotELF if it is not one.
func parseELF(r io.ReaderAt) (*object, error) {
	var head [64]byte
	n, err := r.ReadAt(head[:], 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if n < 52 || string(head[:4]) != "\x7fELF" {
		return nil, errNotELF
	}
	class, data := head[4], head[5]
	var order binary.ByteOrder = binary.LittleEndian
	if data == elfBig {
		order = binary.BigEndian
	}
	if class != elfClass32 && class != elfClass64 || data != elfLittle && data != elfBig || class == elfClass64 && n < 64 {
		return nil, errors.New("an ELF header that makes no sense")
	}
	o := &object{kind: [4]byte{class, data, head[18], head[19]}}
	segments, err := readSegments(r, head[:], class, order)
	if err != nil {
		return nil, err
	}
	for _, s := range segments {
		switch {
		case s.kind == ptInterp && o.interp == "": // the kernel uses the first
			o.interp, err = readString(r, s.offset, maxString)
		case s.kind == ptDynamic && o.dynamic:
			err = errors.New("two ELF dynamic sections")
		case s.kind == ptDynamic:
			err = o.readDynamic(r, s, segments, class, order)
		}
		if err != nil {
			return nil, err
		}
	}
	return o, nil
}

// Interpreter returns the path of what executes a program with this beginning, of which the
// first 4096 bytes are enough for programs as compilers make them: the interpreter of a
// script, or the loader of an ELF program. It is empty if the program needs none, or if the
// beginning does not tell.
func Interpreter(head []byte) string {
	if interp, _, ok, err := parseShebang(head); ok && err == nil {
		return interp
	}
	var first [64]byte
	if copy(first[:], head) < 64 || string(head[:4]) != "\x7fELF" {
		return ""
	}
	var order binary.ByteOrder = binary.LittleEndian
	if head[5] == elfBig {
		order = binary.BigEndian
	}
	r := bytes.NewReader(head)
	segments, err := readSegments(r, first[:], head[4], order)
	if err != nil {
		return ""
	}
	for _, s := range segments {
		if s.kind == ptInterp {
			name, err := readString(r, s.offset, maxString)
			if err != nil {
				return ""
			}
			return name
		}
	}
	return ""
}

// size is the number of bytes of an object's strings.
func (o *object) size() int {
	n := len(o.interp) + len(o.soname) + len(o.rpath) + len(o.runpath)
	for _, need := range o.needed {
		n += len(need.name)
	}
	return n
}

func readSegments(r io.ReaderAt, head []byte, class byte, order binary.ByteOrder) ([]segment, error) {
	var at uint64
	var size, count int
	if class == elfClass64 {
		at, size, count = order.Uint64(head[32:]), int(order.Uint16(head[54:])), int(order.Uint16(head[56:]))
	} else {
		at, size, count = uint64(order.Uint32(head[28:])), int(order.Uint16(head[42:])), int(order.Uint16(head[44:]))
	}
	least := 56
	if class == elfClass32 {
		least = 32
	}
	if count == 0 || count > maxHeaders || size != least || at > 1<<40 {
		return nil, errors.New("ELF program headers that make no sense")
	}
	b := make([]byte, size*count)
	if _, err := r.ReadAt(b, int64(at)); err != nil {
		return nil, truncated(err)
	}
	var list []segment
	for ; len(b) >= size; b = b[size:] {
		if class == elfClass64 {
			list = append(list, segment{order.Uint32(b), order.Uint64(b[8:]), order.Uint64(b[16:]), order.Uint64(b[32:])})
		} else {
			list = append(list, segment{order.Uint32(b), uint64(order.Uint32(b[4:])), uint64(order.Uint32(b[8:])), uint64(order.Uint32(b[16:]))})
		}
	}
	return list, nil
}

// readDynamic reads the dynamic section in the way of a loader.
func (o *object) readDynamic(r io.ReaderAt, s segment, segments []segment, class byte, order binary.ByteOrder) error {
	o.dynamic = true
	if s.size > maxDynamic || s.offset > 1<<40 {
		return errors.New("an ELF dynamic section that makes no sense")
	}
	b := make([]byte, s.size)
	if _, err := r.ReadAt(b, int64(s.offset)); err != nil {
		return truncated(err)
	}
	list, strtab := dynamicEntries(b, class, order)
	base, ok := offsetOf(strtab, segments)
	read := 0
	for _, e := range list {
		var to *string
		limit := maxString
		switch e.tag {
		case dtNeeded, dtFilter, dtAuxiliary:
			o.needed = append(o.needed, need{tag: e.tag})
			to = &o.needed[len(o.needed)-1].name
		case dtSoname:
			to = &o.soname
		case dtRpath:
			to, limit = &o.rpath, maxPath
		case dtRunpath:
			to, limit = &o.runpath, maxPath
			o.hasRunpath = true
		default:
			continue
		}
		if !ok || e.val > 1<<40 {
			return errors.New("an ELF string table that makes no sense")
		}
		var err error
		if *to, err = readString(r, base+e.val, limit); err != nil {
			return err
		}
		if read += len(*to); read > maxStrings {
			return errors.New("ELF strings that make no sense")
		}
	}
	if o.hasRunpath {
		o.rpath = "" // ld.so(8): it is used only if there is no DT_RUNPATH
	}
	return nil
}

// A dynamicEntry is an entry of the dynamic section.
type dynamicEntry struct{ tag, val uint64 }

// dynamicEntries reads the entries before DT_NULL, and the address of the string table.
func dynamicEntries(b []byte, class byte, order binary.ByteOrder) (list []dynamicEntry, strtab uint64) {
	word := 8
	get := order.Uint64
	if class == elfClass32 {
		word = 4
		get = func(b []byte) uint64 { return uint64(order.Uint32(b)) }
	}
	for ; len(b) >= 2*word; b = b[2*word:] {
		e := dynamicEntry{get(b), get(b[word:])}
		if e.tag == dtNull {
			break
		}
		if e.tag == dtStrtab {
			strtab = e.val
		}
		list = append(list, e)
	}
	return list, strtab
}

// offsetOf is the offset in the file of an address.
func offsetOf(addr uint64, segments []segment) (uint64, bool) {
	for _, s := range segments {
		if s.kind == ptLoad && addr >= s.vaddr && addr-s.vaddr < s.size && s.offset <= 1<<40 {
			return s.offset + (addr - s.vaddr), true
		}
	}
	return 0, false
}

// readString reads up to the NUL, which must be among the first limit bytes.
func readString(r io.ReaderAt, at uint64, limit int) (string, error) {
	if at > 1<<41 {
		return "", errors.New("an ELF string that makes no sense")
	}
	var text []byte
	var b [256]byte
	for len(text) < limit {
		n, err := r.ReadAt(b[:], int64(at)+int64(len(text)))
		if err != nil && err != io.EOF {
			return "", err
		}
		end := bytes.IndexByte(b[:n], 0)
		if end >= 0 {
			return string(append(text, b[:end]...)), nil
		}
		if err == io.EOF {
			break
		}
		text = append(text, b[:n]...)
	}
	return "", errors.New("an ELF string without an end")
}

func truncated(err error) error {
	if err == io.EOF {
		return errors.New("an ELF file that was cut off")
	}
	return err
}
