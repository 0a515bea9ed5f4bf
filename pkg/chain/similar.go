package chain

import (
	"strings"

	"hk/internal/similar"
)

// meant is the stage that a word which is none may be meant for, or "": its name, but for
// one or two letters.
func meant(word string) string {
	if !strings.HasPrefix(word, "hk") || ByName(word) != nil {
		return ""
	}
	for most := 1; most <= 2; most++ {
		for _, k := range Kinds {
			if similar.Distance(word, k.Name) <= most {
				return k.Name
			}
		}
	}
	return ""
}
