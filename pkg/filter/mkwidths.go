//go:build ignore

// Mkwidths writes the table of how the kernel takes the arguments of its calls, and the
// table of the other names that calls have on 32-bit architectures. It reads the
// kernel's source, whose directory is the argument: the system call tables say which
// function a number calls, and the SYSCALL_DEFINE lines which types it takes. Without
// an argument the tables are not changed. Those in the tree are from Debian's package
// linux-source-6.12; the version is in the first line, and newer calls are listed
// below.
//
// These lines do not say how an argument is used afterwards: that is in casts, written
// by hand.
package main

import (
	"bytes"
	"fmt"
	"go/format"
	"io/fs"
	"log"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// newer are the calls added after that source: Linux 6.13 to 7.0.
var newer = map[string]string{
	"setxattrat": "484888", "getxattrat": "484888", "listxattrat": "48488", "removexattrat": "4848",
	"open_tree_attr": "48488", "file_getattr": "48884", "file_setattr": "48884", "listns": "8884", "rseq_slice_yield": "",
}

// casts are the results of reading the functions that take a long. If the operation
// decides whether it is truncated to an int, it remains "?", as does everything that
// was not read: ioctl, keyctl, prctl, arch_prctl, fcntl, semctl, sysfs, kcmp.
var casts = map[string]string{
	"brk": "8", "getcwd": "88", "madvise": "884", "mincore": "888", "mlock": "88", "mlock2": "884", "msync": "884", // addresses and sizes
	"munlock": "88", "munmap": "88", "map_shadow_stack": "884", "get_mempolicy": "88888", "set_mempolicy": "488",
	"set_mempolicy_home_node": "8888", "move_pages": "488884", "migrate_pages": "4888", "init_module": "888", "truncate": "88",
	"modify_ldt": "488", "ioperm": "884",
	"mremap": "88888", "mseal": "888", "pkey_alloc": "88", "unshare": "8", "perf_event_open": "84448", // an unknown flag is EINVAL
	"kexec_load": "8888", "kexec_file_load": "44888", "mprotect": "888", "pkey_mprotect": "8884",
	"futex_wait": "888484", "futex_wake": "8844", // futex_validate_input
	"io_getevents": "88888", "io_pgetevents": "888888", "io_submit": "888", // compared as longs
	"msgrcv": "48884",                // do_msgrcv: long
	"clone":  "48888",                // lower_32_bits(clone_flags)
	"futex":  "844?84",               // the timeout is val2, a u32, for some operations
	"mbind":  "884884",               // kernel_mbind: int lmode = mode
	"mmap":   "884448",               // do_mmap masks prot and flags; fget(unsigned int fd)
	"mount":  "88848",                // path_mount masks the flags
	"ptrace": "84??",                 // find_get_task_by_vpid(pid_t); addr is a type of ptrace_regset
	"readv":  "484", "writev": "484", // fdget(unsigned int), import_iovec(unsigned nr_segs)
	"preadv": "4848-", "pwritev": "4848-", "preadv2": "4848-4", "pwritev2": "4848-4", // pos_from_hilo shifts pos_h out
	"vmsplice": "4844", "process_madvise": "48444",
	"process_vm_readv": "484888", "process_vm_writev": "484888", // the second count is iovec_from_user's, a long
	"remap_file_pages": "8888?",
}

// castsOf are those of one ABI.
var castsOf = map[string]map[string]string{
	"x32": {"preadv": "4848x", "pwritev": "4848x", "preadv2": "4848x4", "pwritev2": "4848x4"},
	"x86": {
		"mmap": "mmmmmm", "select": "mmmmm", // old_mmap, old_select
		"ipc":    "244444", // the upper half is a version
		"preadv": "444lH", "pwritev": "444lH", "preadv2": "444lH4", "pwritev2": "444lH4", "sigsuspend": "--4",
	},
	"arm": {
		"semctl": "44v4", "msgctl": "4v4", "shmctl": "4v4", // compat_ipc_parse_version
		"preadv": "444lH", "pwritev": "444lH", "preadv2": "444lH4", "pwritev2": "444lH4", "sigsuspend": "--4", "clone": "44444",
	},
}

// An abi is a system call table. In a line of the kernel's table that has one of the
// kinds, the function is in the next to last column or, for compat, in the last one.
type abi struct {
	name, file string
	kinds      []string
	bits       int
}

var abis = []abi{
	{"x86_64", "arch/x86/entry/syscalls/syscall_64.tbl", []string{"common", "64"}, 64},
	{"aarch64", "scripts/syscall.tbl", []string{"common", "64", "renameat", "rlimit", "memfd_secret"}, 64},
	{"x86", "arch/x86/entry/syscalls/syscall_32.tbl", []string{"i386"}, 32},
	{"arm", "arch/arm64/tools/syscall_32.tbl", []string{"common"}, 32},
	{"x32", "arch/x86/entry/syscalls/syscall_64.tbl", []string{"common", "x32"}, 64},
}

// dirs are the directories that contain system calls, including those of the
// architectures used here.
var dirs = []string{"arch/arm64", "arch/x86", "block", "drivers", "fs", "init", "io_uring", "ipc", "kernel", "mm", "net", "security"}

var (
	define  = regexp.MustCompile(`(?m)^(COMPAT_SYSCALL|SYSCALL32|SYSCALL)_DEFINE[0-6]\(`)
	comment = regexp.MustCompile(`(?s)/\*.*?\*/`)
	// pairs are macros for two registers of one argument.
	pairs = regexp.MustCompile(`\b(?:SC_ARG64|arg_u32p|compat_arg_u64_dual)\((\w+)\)`)
)

// An argument is one of a SYSCALL_DEFINE line.
type argument struct{ typ, name string }

// signatures are the arguments by function. There can be several definitions, of which
// the configuration selects one.
type signatures map[string][][]argument

func main() {
	if len(os.Args) < 2 {
		return
	}
	tree := os.Args[1]
	sigs := signatures{}
	for _, dir := range dirs {
		err := filepath.WalkDir(filepath.Join(tree, dir), func(path string, d fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".c") {
				sigs.read(path)
			}
			return err
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	tables := map[string]map[string]string{}
	for _, a := range abis {
		tables[a.name] = a.read(a.functions(tree, a.bits == 32), sigs)
	}
	write(tables, twins(tree), version(tree))
}

// version is that of the source: "6.12".
func version(tree string) string {
	src, err := os.ReadFile(filepath.Join(tree, "Makefile"))
	m := regexp.MustCompile(`(?s)VERSION = (\d+)\nPATCHLEVEL = (\d+)\n`).FindSubmatch(src)
	if err != nil || m == nil {
		log.Fatal("no version in the Makefile: ", err)
	}
	return string(m[1]) + "." + string(m[2])
}

func (sigs signatures) read(path string) {
	src, err := os.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	text := pairs.ReplaceAllString(comment.ReplaceAllString(string(src), ""), "u32, ${1}_lo, u32, ${1}_hi")
	for _, at := range define.FindAllStringSubmatchIndex(text, -1) {
		inside := text[at[1]:]
		words := strings.Split(inside[:strings.IndexByte(inside, ')')], ",")
		for i := range words {
			words[i] = strings.Join(strings.Fields(words[i]), " ")
		}
		name := "sys_" + words[0]
		if text[at[2]:at[3]] != "SYSCALL" {
			name = "compat_" + name
		}
		var args []argument
		for i := 1; i+1 < len(words); i += 2 {
			args = append(args, argument{words[i], words[i+1]})
		}
		sigs[name] = append(sigs[name], args)
	}
}

// functions are those called by the calls of an ABI; with compat, those for 32-bit
// programs on a 64-bit kernel.
func (a abi) functions(tree string, compat bool) map[string]string {
	src, err := os.ReadFile(filepath.Join(tree, a.file))
	if err != nil {
		log.Fatal(err)
	}
	table := map[string]string{}
	for line := range strings.Lines(string(src)) {
		f := strings.Fields(line)
		if len(f) < 4 || line[0] == '#' || !slices.Contains(a.kinds, f[1]) {
			continue
		}
		name, function := f[2], f[3]
		if compat && len(f) > 4 && f[4] != "-" {
			function = f[4]
		}
		if function != "sys_ni_syscall" { // not any more
			table[name] = function
		}
	}
	return table
}

// twins are 32-bit names by the name that has the same function on 64-bit
// architectures.
func twins(tree string) map[string][]string {
	table, wide := map[string][]string{}, map[string]string{}
	for _, a := range abis[:2] {
		for name, function := range a.functions(tree, false) {
			wide[function] = name
		}
	}
	for _, a := range abis[2:4] {
		for name, function := range a.functions(tree, false) {
			of := wide[function]
			if of != "" && of != name && !slices.Contains(table[of], name) {
				table[of] = append(table[of], name)
			}
		}
	}
	return table
}

// read makes the table of an ABI: how the arguments of each call are taken.
func (a abi) read(functions map[string]string, sigs signatures) map[string]string {
	table := maps.Clone(newer)
	for name, text := range table {
		table[name] = a.narrow(text)
	}
	for name, function := range functions {
		defs := sigs[function]
		if len(defs) == 0 {
			continue // not in a 64-bit kernel
		}
		text := a.text(function, defs[0])
		if cast, ok := casts[name]; ok && a.bits == 64 && !strings.HasPrefix(function, "compat_") {
			text = cast
		} else if cast, ok := castsOf[a.name][name]; ok {
			text = cast
		} else if slices.ContainsFunc(defs, func(d []argument) bool { return a.text(function, d) != text }) {
			log.Fatalf("%s: %s has several definitions", a.name, function)
		}
		table[name] = text
	}
	return table
}

// narrow is how an ABI takes arguments that a 64-bit ABI takes as in text.
func (a abi) narrow(text string) string {
	if a.bits == 32 {
		return strings.NewReplacer("8", "4", "?", "4").Replace(text)
	}
	return text
}

func (a abi) text(function string, args []argument) string {
	low, high := []string{"_lo", "_low", "poslo"}, []string{"_hi", "_high", "poshi"}
	half := func(i int, endings []string) bool {
		return i >= 0 && i < len(args) && slices.ContainsFunc(endings, func(e string) bool { return strings.HasSuffix(args[i].name, e) })
	}
	var b strings.Builder
	for i, arg := range args {
		switch {
		case arg.name == "__pad":
			b.WriteByte('_')
		case half(i, low) && half(i+1, high):
			b.WriteByte('l')
		case half(i, high) && half(i-1, low):
			b.WriteByte('h')
		default:
			b.WriteByte(a.width(function, arg))
		}
	}
	return b.String()
}

// Types, by their size in bytes on all of the architectures, or in a register.
var (
	ints = strings.Fields(`int unsigned u32 __u32 __s32 pid_t uid_t gid_t clockid_t mqd_t rwf_t timer_t key_t qid_t
		key_serial_t enum compat_size_t compat_ssize_t compat_ulong_t compat_long_t compat_pid_t compat_uptr_t
		compat_aio_context_t compat_off_t`)
	shorts = strings.Fields("old_uid_t old_gid_t")
	// wides are used unchanged, and so are pointers.
	wides = strings.Fields("size_t loff_t off_t __u64 aio_context_t cap_user_header_t cap_user_data_t __sighandler_t")
)

// width is the letter for an argument: see takes. A long is often truncated later.
func (a abi) width(function string, arg argument) byte {
	typ := strings.TrimPrefix(arg.typ, "const ")
	word, _, _ := strings.Cut(typ, " ")
	switch {
	case strings.Contains(typ, "*"):
		return a.narrow("8")[0]
	case word == "umode_t", word == "compat_mode_t", strings.HasSuffix(function, "sys_umask"):
		return mode(function)
	case slices.Contains(shorts, word):
		return '2'
	case a.bits == 32:
		return '4'
	case slices.Contains(wides, word):
		return '8'
	case typ == "long", typ == "unsigned long":
		return '?'
	case slices.Contains(ints, word):
		return '4'
	}
	log.Fatalf("what is %s %s?", arg.typ, arg.name)
	return 0
}

// mode is the letter for a file mode. Bits outside its type are dropped in chmod_common
// and build_open_how, and more than that in vfs_mkdir and umask.
func mode(function string) byte {
	switch _, name, _ := strings.Cut(function, "sys_"); name {
	case "mknod", "mknodat":
		return '2'
	case "mkdir", "mkdirat":
		return 'd'
	case "umask":
		return 'u'
	}
	return 'p'
}

// write writes one table of all calls, as taken by the first ABI that has a call, and
// for each ABI a table of what it takes differently.
func write(tables map[string]map[string]string, twins map[string][]string, version string) {
	all := map[string]string{}
	for _, a := range abis {
		for name, text := range tables[a.name] {
			if _, ok := all[name]; !ok {
				all[name] = text
			}
		}
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "// Code generated by mkwidths.go from Linux %s; DO NOT EDIT.\n\npackage filter\n", version)
	table := func(name string, rows map[string]string) {
		fmt.Fprintf(&b, "\nvar %s = [...]takes{\n", name)
		for _, call := range slices.Sorted(maps.Keys(rows)) {
			fmt.Fprintf(&b, "\t{%q, %q},\n", call, rows[call])
		}
		b.WriteString("}\n")
	}
	table("takesAll", all)
	for i, name := range []string{"", "", "takes386", "takesARM", "takesX32"} {
		a, own := abis[i], map[string]string{}
		for call, text := range tables[a.name] {
			if text != a.narrow(all[call]) {
				own[call] = text
			}
		}
		switch {
		case name != "":
			table(name, own)
		case len(own) > 0:
			log.Fatalf("%s is not as the others of 64 bits: %v", a.name, own)
		}
	}
	b.WriteString("\n// twins are the names of 32 bits whose function is that of a name of 64.\nvar twins = [...]twin{\n")
	for _, name := range slices.Sorted(maps.Keys(twins)) {
		for _, other := range slices.Sorted(slices.Values(twins[name])) {
			fmt.Fprintf(&b, "\t{%q, %q},\n", name, other)
		}
	}
	b.WriteString("}\n")
	src, err := format.Source(b.Bytes())
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile("zwidths.go", src, 0o644); err != nil {
		log.Fatal(err)
	}
}
