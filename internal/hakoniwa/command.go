package hakoniwa

import (
	"fmt"
	"path"
	"strings"

	"hk/pkg/execdeps"
)

// payload returns the program and its arguments. A name is looked up in the caller's
// PATH: the path that is found is the program's inside. A name that is not found there is
// left to be found inside.
func (c *compiler) payload() ([]string, error) {
	words := c.Command.Words
	if len(words) == 0 {
		return []string{"/bin/sh"}, nil
	}
	if words[0] == "" {
		return nil, fmt.Errorf("the name of the program is empty")
	}
	if strings.Contains(words[0], "/") {
		return words, nil
	}
	for _, file := range execdeps.Candidates(words[0], execdeps.EnvironmentOf(c.Host.Env).Path) {
		mode, err := c.Host.Stat(file)
		if err == nil && mode.IsRegular() && mode&0o111 != 0 {
			if file, err = c.abs(file); err != nil {
				return nil, err
			}
			return append([]string{path.Clean(file)}, words[1:]...), nil
		}
	}
	return words, nil
}
