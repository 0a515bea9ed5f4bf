package mount

import (
	"fmt"
	"path"
	"strings"
)

// managed are the variables by which a service manager names files, and the flag that
// shows them: systemd.exec(5).
var managed = [...]struct{ name, flag string }{
	{"NOTIFY_SOCKET", "--ro"}, {"CREDENTIALS_DIRECTORY", "--ro"}, {"CONFIGURATION_DIRECTORY", "--ro"},
	{"RUNTIME_DIRECTORY", "--rw"}, {"STATE_DIRECTORY", "--rw"}, {"CACHE_DIRECTORY", "--rw"}, {"LOGS_DIRECTORY", "--rw"},
}

// noteManaged adds a note for each of these files that is not in the new root. A payload
// with a supervisor does not need the manager's socket.
func (b *builder) noteManaged() {
	for _, v := range b.Env.List() {
		name, value, _ := strings.Cut(v, "=")
		for _, m := range managed {
			if m.name != name || name == "NOTIFY_SOCKET" && b.Child.Relays {
				continue
			}
			for _, file := range strings.Split(value, ":") {
				if path.IsAbs(file) && !b.shows(file) {
					b.Note(fmt.Sprintf("%s: %s is not in the new root: %s %[2]s shows it", name, file, m.flag))
				}
			}
		}
	}
}

// shows reports whether a path may lead to something in the new root.
func (b *builder) shows(file string) bool {
	at, err := b.locate(file, false)
	return err == nil && !b.absent(at, err)
}
