package template

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// xdgDirs are the names of user-dirs.dirs(5) with the directories that xdg-user-dirs-update
// gives them.
var xdgDirs = map[string]string{
	"DESKTOP": "Desktop", "DOWNLOAD": "Downloads", "TEMPLATES": "Templates", "PUBLICSHARE": "Public",
	"DOCUMENTS": "Documents", "MUSIC": "Music", "PICTURES": "Pictures", "VIDEOS": "Videos",
}

// xdgUserDir returns the value of XDG_NAME_DIR in the user's user-dirs.dirs.
func (r *renderer) xdgUserDir(name string) (any, error) {
	home := os.Getenv("HOME")
	if home == "" {
		return nil, errors.New("HOME is not set")
	}
	config := os.Getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(config) {
		config = filepath.Join(home, ".config")
	}
	text, err := os.ReadFile(filepath.Join(config, "user-dirs.dirs"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, l := range strings.Split(string(text), "\n") {
		value, ok := strings.CutPrefix(strings.TrimSpace(l), "XDG_"+name+"_DIR=")
		if !ok {
			continue
		}
		value = strings.ReplaceAll(strings.Trim(value, `"`), `\`, "")
		if rest, ok := strings.CutPrefix(value, "$HOME"); ok && (rest == "" || rest[0] == '/') {
			value = home + rest
		}
		if filepath.IsAbs(value) {
			return r.value(filepath.Clean(value))
		}
	}
	if dir := xdgDirs[name]; dir != "" {
		return r.value(filepath.Join(home, dir))
	}
	return "", nil
}
