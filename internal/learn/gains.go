package learn

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strconv"

	"hk/internal/vis"
)

// gains are programs that have gained privileges when they were executed: by set-user-ID or
// set-group-ID, or by file capabilities.
type gains struct{ programs []string }

const maxGains = 20

// executed is for a thread that has executed a program.
func (g *gains) executed(tid int) {
	proc := "/proc/" + strconv.Itoa(tid)
	aux, _ := os.ReadFile(proc + "/auxv")
	if len(g.programs) == maxGains || !secure(aux) {
		return
	}
	if name, err := os.Readlink(proc + "/exe"); err == nil && !slices.Contains(g.programs, name) {
		g.programs = append(g.programs, name)
	}
}

// secure reports whether AT_SECURE is set in an auxiliary vector, getauxval(3).
func secure(aux []byte) bool {
	const atSecure = 23
	for ; len(aux) >= 16; aux = aux[16:] {
		if binary.NativeEndian.Uint64(aux) == atSecure {
			return binary.NativeEndian.Uint64(aux[8:]) != 0
		}
	}
	return false
}

// notes are warnings.
func (g *gains) notes() (list []string) {
	for _, name := range g.programs {
		list = append(list, fmt.Sprintf("%s has gained privileges by being executed: in the chain that is written it gains none, because that sets no_new_privs", vis.Text(name)))
	}
	return list
}
