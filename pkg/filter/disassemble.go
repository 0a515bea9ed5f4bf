package filter

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Disassemble prints a filter in the notation of bpf_asm(8), in which text after a
// semicolon is a comment: what the policy says, if there is one, and then the
// instructions with notes of what they examine.
func Disassemble(code []unix.SockFilter, p *Policy) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "; %d instructions\n", len(code))
	if p != nil {
		p.describe(&b)
	}
	b.WriteString("\n")
	target := map[int]bool{}
	for pc, i := range code {
		for _, to := range jumps(pc, i) {
			target[to] = true
		}
	}
	for pc, at := range reached(code) {
		i := code[pc]
		label := ""
		if target[pc] {
			label = fmt.Sprintf("l%d:", pc)
		}
		line := fmt.Sprintf("%-7s%s", label, mnemonic(pc, i))
		if c := at.comment(i); c != "" {
			line = fmt.Sprintf("%-42s ; %s", line, c)
		}
		b.WriteString(line + "\n")
	}
	return b.Bytes()
}

// jumps are the possible next instructions of an instruction.
func jumps(pc int, i unix.SockFilter) []int {
	t, f := pc+1+int(i.Jt), pc+1+int(i.Jf)
	switch {
	case i.Code&0x07 != unix.BPF_JMP:
		return nil
	case i.Code == unix.BPF_JMP|unix.BPF_JA:
		return []int{pc + 1 + int(i.K)}
	case i.Jf == 0:
		return []int{t}
	case i.Jt == 0 && tests[i.Code>>4][1] != "":
		return []int{f}
	}
	return []int{t, f}
}

// arithmetic are the names of BPF_ALU operations, by bits 4 to 7 of the code.
var arithmetic = [...]string{
	unix.BPF_ADD >> 4: "add", unix.BPF_SUB >> 4: "sub", unix.BPF_MUL >> 4: "mul", unix.BPF_DIV >> 4: "div", unix.BPF_OR >> 4: "or",
	unix.BPF_AND >> 4: "and", unix.BPF_LSH >> 4: "lsh", unix.BPF_RSH >> 4: "rsh", unix.BPF_XOR >> 4: "xor",
}

// tests are the names of conditional jumps, and of their opposites, in the same way.
var tests = [...][2]string{
	unix.BPF_JEQ >> 4: {"jeq", "jneq"}, unix.BPF_JGT >> 4: {"jgt", "jle"}, unix.BPF_JGE >> 4: {"jge", "jlt"}, unix.BPF_JSET >> 4: {"jset", ""},
}

// mnemonic prints an instruction that [Check] accepts.
func mnemonic(pc int, i unix.SockFilter) string {
	operand := fmt.Sprintf("#%#x", i.K)
	if i.Code&unix.BPF_X != 0 {
		operand = "x"
	}
	switch class := i.Code & 0x07; class {
	case unix.BPF_LD, unix.BPF_LDX:
		op := "ld"
		if class == unix.BPF_LDX {
			op = "ldx"
		}
		switch i.Code & 0xe0 {
		case unix.BPF_ABS:
			return fmt.Sprintf("%s [%d]", op, i.K)
		case unix.BPF_MEM:
			return fmt.Sprintf("%s M[%d]", op, i.K)
		case unix.BPF_LEN:
			return op + " #len"
		}
		return fmt.Sprintf("%s #%#x", op, i.K)
	case unix.BPF_ST:
		return fmt.Sprintf("st M[%d]", i.K)
	case unix.BPF_STX:
		return fmt.Sprintf("stx M[%d]", i.K)
	case unix.BPF_ALU:
		if i.Code == unix.BPF_ALU|unix.BPF_NEG {
			return "neg"
		}
		return arithmetic[i.Code>>4] + " " + operand
	case unix.BPF_JMP:
		if i.Code == unix.BPF_JMP|unix.BPF_JA {
			return fmt.Sprintf("ja l%d", pc+1+int(i.K))
		}
		name, to := tests[i.Code>>4], jumps(pc, i)
		switch {
		case len(to) == 2:
			return fmt.Sprintf("%s %s, l%d, l%d", name[0], operand, to[0], to[1])
		case i.Jf == 0:
			return fmt.Sprintf("%s %s, l%d", name[0], operand, to[0])
		}
		return fmt.Sprintf("%s %s, l%d", name[1], operand, to[0])
	case unix.BPF_RET:
		if i.Code == unix.BPF_RET|unix.BPF_A {
			return "ret a"
		}
		return "ret " + operand
	}
	if i.Code == unix.BPF_MISC|unix.BPF_TAX {
		return "tax"
	}
	return "txa"
}

// A place is what is known when an instruction is executed.
type place struct {
	// word is the offset of the word in the accumulator, or unknownWord.
	word int
	// audit are the architectures that the call may have; nil means any.
	audit []uint32
	seen  bool
}

const unknownWord = -1

// reached follows a filter through all its branches.
func reached(code []unix.SockFilter) []place {
	at := make([]place, len(code)+1)
	at[0] = place{word: unknownWord, seen: true}
	for pc, i := range code {
		here := at[pc]
		if !here.seen {
			continue
		}
		lead := func(skip int, p place) { at[pc+1+skip] = at[pc+1+skip].or(p) }
		switch class := i.Code & 0x07; {
		case class == unix.BPF_RET:
		case i.Code == unix.BPF_JMP|unix.BPF_JA:
			lead(int(i.K), here)
		case class == unix.BPF_JMP:
			yes := here
			if here.word == offsetArch && i.Code == unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K {
				yes.audit = []uint32{i.K}
			}
			lead(int(i.Jt), yes)
			lead(int(i.Jf), here)
		case i.Code == unix.BPF_LD|unix.BPF_W|unix.BPF_ABS:
			here.word = int(i.K)
			lead(0, here)
		case i.Code == unix.BPF_ALU|unix.BPF_AND|unix.BPF_K: // still of that word
			lead(0, here)
		case class == unix.BPF_LDX, class == unix.BPF_ST, class == unix.BPF_STX, i.Code == unix.BPF_MISC|unix.BPF_TAX:
			lead(0, here)
		default:
			here.word = unknownWord
			lead(0, here)
		}
	}
	return at[:len(code)]
}

// or is what is known if control comes from either place.
func (p place) or(q place) place {
	if !p.seen {
		return q
	}
	if p.word != q.word {
		p.word = unknownWord
	}
	if p.audit == nil || q.audit == nil {
		p.audit = nil
		return p
	}
	both := p.audit[:len(p.audit):len(p.audit)]
	for _, a := range q.audit {
		if !slices.Contains(both, a) {
			both = append(both, a)
		}
	}
	p.audit = both
	return p
}

// comment says what an instruction examines or returns.
func (p place) comment(i unix.SockFilter) string {
	switch class := i.Code & 0x07; {
	case !p.seen:
		return "never reached"
	case i.Code == unix.BPF_RET|unix.BPF_K:
		return Action(i.K).String()
	case i.Code == unix.BPF_LD|unix.BPF_W|unix.BPF_ABS:
		return wordName(int(i.K))
	case class != unix.BPF_JMP || i.Code&unix.BPF_X != 0 || i.Code == unix.BPF_JMP|unix.BPF_JA:
		return ""
	case p.word == offsetArch:
		for _, a := range arches {
			if a.Audit == i.K && a != X32 {
				return a.Name
			}
		}
	case p.word == offsetNr:
		return p.callName(i.K)
	case p.word > offsetNr:
		return wordName(p.word)
	}
	return ""
}

func wordName(offset int) string {
	switch {
	case offset == offsetNr:
		return "number of the call"
	case offset == offsetArch:
		return "architecture"
	case offset < offsetArgs:
		return "instruction pointer"
	case offset%8 == 0:
		return fmt.Sprintf("arg%d, lower half", (offset-offsetArgs)/8)
	}
	return fmt.Sprintf("arg%d, upper half", (offset-offsetArgs)/8)
}

// callName is the name of a call, if only one architecture is possible.
func (p place) callName(nr uint32) string {
	switch {
	case len(p.audit) != 1:
		return ""
	case p.audit[0] == X86_64.Audit && nr == x32Bit:
		return "x32 from here"
	}
	for _, a := range arches {
		if a.Audit != p.audit[0] || (a == X32) != (p.audit[0] == X86_64.Audit && nr >= x32Bit && nr != skipped) {
			continue
		}
		for _, c := range a.table {
			if c.nr == nr {
				return a.Name + " " + c.name
			}
		}
	}
	return ""
}

// describe writes what the policy says, by architecture.
func (p *Policy) describe(b *bytes.Buffer) {
	for _, a := range p.Arches {
		fmt.Fprintf(b, ";\n; %s (audit %#x)\n", a.Name, a.Audit)
		same := map[Action][]string{}
		var order []Action
		var some []string
		for _, c := range a.table {
			text, act := p.outcome(a, c)
			switch {
			case text != "":
				some = append(some, text)
			case act != p.Default:
				if same[act] == nil {
					order = append(order, act)
				}
				same[act] = append(same[act], c.name)
			}
		}
		for _, act := range order {
			wrap(b, act.String()+":", same[act])
		}
		for _, text := range some {
			wrap(b, "", strings.Fields(text))
		}
		if newest, ok := p.newest(a); ok && p.Newer != p.Default {
			wrap(b, p.Newer.String()+":", []string{"calls", "above", fmt.Sprint(newest)})
		}
		wrap(b, p.Default.String()+":", []string{"all", "others"})
	}
	fmt.Fprintf(b, ";\n; another architecture\n")
	wrap(b, KillProcess.String()+":", []string{"all"})
}

// outcome is what happens to a call: an action or, if that depends on the arguments, a
// text.
func (p *Policy) outcome(a *Arch, c call) (text string, act Action) {
	for _, r := range p.Rules {
		for _, name := range r.Names {
			if nr, ok := a.Number(name); !ok || nr != c.nr {
				continue
			}
			if len(r.Conds) == 0 {
				return c.otherwise(text, r.Action), r.Action
			}
			text += Selection{"", r.Conds}.String() + ": " + r.Action.String() + ", "
		}
	}
	return c.otherwise(text, p.Default), p.Default
}

func (c call) otherwise(text string, act Action) string {
	if text == "" {
		return ""
	}
	return c.name + " " + text + "else " + act.String()
}

// wrap writes words as a comment with lines that fit a terminal.
func wrap(b *bytes.Buffer, first string, words []string) {
	line := ";   " + first
	for _, w := range words {
		if len(line)+1+len(w) > 79 {
			b.WriteString(line + "\n")
			line = ";      "
		}
		if !strings.HasSuffix(line, " ") {
			line += " "
		}
		line += w
	}
	b.WriteString(strings.TrimRight(line, " ") + "\n")
}
