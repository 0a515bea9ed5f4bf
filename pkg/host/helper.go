package host

import "os"

// HelperDirs are the directories that are searched for the programs of supervisor
// steps, such as newuidmap(1). PATH is not searched, because the caller can set it.
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
