package chain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"hk/pkg/getopt"
	"hk/pkg/host"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// Bounds of [Recompile]: how long the front door may take, and how much it may write.
const (
	recompileTime = 15 * time.Second
	recompileSize = 4 << 20
	recompileData = 1 << 30
)

// Recompile has a front door compile a command line with which another process was started, and
// returns the words of the chain. Somebody else may have written the line, and the files that it
// names: they are read as the user of that process, in a sandbox from which nothing is written.
// The working directory is that of this process.
func Recompile(f stage.Front, h *host.Host) ([]string, error) {
	list, err := recompile(f, h)
	if said := (frontError)(""); err != nil && !errors.As(err, &said) {
		err = fmt.Errorf("%s: %w", filepath.Base(f.Program), err)
	}
	return list, err
}

// A frontError is what a front door has said, with its name.
type frontError string

func (e frontError) Error() string { return string(e) }

func recompile(f stage.Front, h *host.Host) ([]string, error) {
	words, err := recompileIn(f, h)
	if err != nil {
		return nil, err
	}
	c, err := Parse(words)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), recompileTime)
	defer cancel()
	box, err := c.Prepare(ctx)
	if err != nil {
		return nil, err
	}
	how := "--print=again:caps=" + strconv.FormatUint(f.Permitted, 16)
	if f.NoDir {
		how += ":nodir"
	}
	cmd := box.CommandContext(ctx, f.Program, append([]string{how}, f.Words[1:]...)...)
	cmd.Env = append([]string{}, f.Env...)
	out, said := limited{most: recompileSize}, lastWords{}
	cmd.Stdout, cmd.Stderr = &out, &said
	cmd.WaitDelay = time.Second
	err = cmd.Run()
	var exit *ExitError
	switch line, _, _ := strings.Cut(string(said.b), "\n"); {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("its command line takes longer than %v", recompileTime)
	case errors.As(err, &exit) && line != "":
		return nil, frontError(line)
	case err != nil:
		return nil, err
	}
	list := strings.Split(out.String(), "\x00")
	if last := len(list) - 1; last < 1 || list[last] != "" {
		return nil, errors.New("it prints no chain")
	}
	return list[:len(list)-1], nil
}

// recompileIn is the sandbox for [Recompile], as words.
//
// Whoever has the user ID could trace the front door, and get what it has from this process: a
// terminal, keyrings. So it has a session and a keyring of its own, and if possible one
// capability that nothing can be done with, because tracing a process takes all of its
// capabilities.
func recompileIn(f stage.Front, h *host.Host) ([]string, error) {
	may := func(c int) bool { return h.Effective>>c&1 != 0 }
	words := []string{"hk-unshare", "--setsid", "--keyring", "hk-setuser", "--no-new-privs"}
	switch {
	case may(unix.CAP_SETUID) && may(unix.CAP_SETGID):
		groups := "none"
		if len(f.Groups) > 0 {
			var list []string
			for _, g := range f.Groups {
				list = append(list, strconv.FormatUint(uint64(g), 10))
			}
			groups = strings.Join(list, ",")
		}
		words = append(words, fmt.Sprintf("--user=%d:%d", f.UID, f.GID), "--groups="+groups)
	case f.UID != h.UID || f.GID != h.GID:
		return nil, fmt.Errorf("only user %d and root can read what its command line names as that user does", f.UID)
	}
	const reads = 1<<unix.CAP_DAC_READ_SEARCH | 1<<unix.CAP_DAC_OVERRIDE
	switch {
	case !may(unix.CAP_SETPCAP) && h.Permitted != 0:
		return nil, errors.New("this process has capabilities that it cannot withhold from what compiles it")
	case !may(unix.CAP_SETPCAP):
	case f.Effective&reads != 0 && may(unix.CAP_DAC_READ_SEARCH):
		words = append(words, "--caps=+dac_read_search")
	case may(unix.CAP_WAKE_ALARM):
		words = append(words, "--caps=+wake_alarm")
	default:
		words = append(words, "--caps=none")
	}
	dir := filepath.Dir(f.Program)
	words = append(words, "hk-landlock", "--best-effort", "--ignore-missing", "--ro=/")
	for _, d := range []string{dir, filepath.Join(filepath.Dir(dir), "libexec/hk")} {
		words = append(words, "--rx="+string(getopt.Escape(d, ",")))
	}
	_, hard := h.Rlimit(unix.RLIMIT_DATA)
	return append(words, "hk-limit", "--core=0", "--fsize=0", fmt.Sprintf("--data=%d", min(hard, recompileData))), nil
}

// limited is text up to a size.
type limited struct {
	bytes.Buffer
	most int
}

func (l *limited) Write(b []byte) (int, error) {
	if l.Len()+len(b) > l.most {
		return 0, errors.New("it prints more than a command line can have")
	}
	return l.Buffer.Write(b)
}
