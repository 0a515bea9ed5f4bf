package execdeps

import "strings"

// Candidates are the files that execvp(3) tries for a word with a given value of PATH,
// in order.
func Candidates(word, path string) []string {
	if strings.ContainsRune(word, '/') {
		return []string{word}
	}
	if path == "" {
		path = "/bin:/usr/bin"
	}
	var list []string
	for _, dir := range strings.Split(path, ":") {
		if dir == "" {
			dir = "."
		}
		list = append(list, strings.TrimSuffix(dir, "/")+"/"+word)
	}
	return list
}
