package host

import "os"

// HelperDirs is where the programs are looked for that do outside steps, as
// newuidmap(1): not in PATH, which is the caller's to set.
var HelperDirs = []string{"/usr/bin", "/bin", "/usr/local/bin", "/run/wrappers/bin", "/run/current-system/sw/bin"}

// HelperEnv is the environment of such a program.
var HelperEnv = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}

func helper(name string) string {
	for _, dir := range HelperDirs {
		path := dir + "/" + name
		if fi, err := os.Stat(path); err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0 {
			return path
		}
	}
	return ""
}
