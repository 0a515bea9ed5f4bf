// Hakoniwa runs hakoniwa 1.6.0 and hk-run on the same command lines and configuration
// files, and compares what the payload sees, the exit status, and what is left on the
// host. What differs is expected to be in the table, with the heading under which
// docs/hakoniwa.md says why; what is not is printed, as is what does not differ any more.
//
//	hakoniwa [-v] [-run REGEXP] HAKONIWA HK_RUN
//
// As root it does so twice, the second time as an ordinary user with subordinate IDs,
// whom it adds to the machine for that time.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
)

func main() {
	verbose := flag.Bool("v", false, "print what both programs show, equal or not")
	only := flag.String("run", "", "run only trials whose names match")
	inner := flag.Bool("inner", false, "this is the run as an ordinary user")
	flag.Parse()
	if flag.NArg() != 2 {
		fmt.Fprintln(os.Stderr, "usage: hakoniwa [-v] [-run REGEXP] HAKONIWA HK_RUN")
		os.Exit(2)
	}
	match, err := regexp.Compile(*only)
	if err != nil {
		fatal(err)
	}
	c := comparison{verbose: *verbose, only: match, partial: *only != "", root: os.Getuid() == 0}
	if *inner {
		c.programs = [2]string{flag.Arg(0), flag.Arg(1)}
		os.Exit(c.compare())
	}
	os.Exit(outer(&c, flag.Arg(0), flag.Arg(1)))
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "hakoniwa:", err)
	os.Exit(1)
}

// outer copies the programs to where every user can execute them, and runs the trials.
func outer(c *comparison, hakoniwa, hkRun string) int {
	dir, err := os.MkdirTemp("/var/tmp", "hk-hakoniwa-")
	if err != nil {
		fatal(err)
	}
	defer os.RemoveAll(dir)
	self, err := os.Executable()
	if err != nil {
		fatal(err)
	}
	// The stages are beside hk-run.
	for _, cmd := range [][]string{
		{"chmod", "755", dir}, {"cp", hakoniwa, dir + "/hakoniwa"}, {"cp", self, dir + "/compare"},
		{"cp", "-a", filepath.Dir(hkRun), dir + "/hk"},
	} {
		if out, err := exec.Command(cmd[0], cmd[1:]...).CombinedOutput(); err != nil {
			fatal(fmt.Errorf("%v: %w: %s", cmd, err, out))
		}
	}
	c.programs = [2]string{dir + "/hakoniwa", dir + "/hk/hk-run"}
	code := c.compare()
	if os.Getuid() == 0 {
		code |= asUser(c, dir)
	}
	return code
}

// asUser adds a user, and runs this program again as that user.
func asUser(c *comparison, dir string) int {
	name := "hk-hakoniwa-" + strconv.Itoa(os.Getpid())
	if out, err := exec.Command("useradd", "--create-home", "--shell", "/bin/sh", name).CombinedOutput(); err != nil {
		fatal(fmt.Errorf("useradd: %w: %s", err, out))
	}
	defer exec.Command("userdel", "--remove", name).Run()
	u, err := user.Lookup(name)
	if err != nil {
		fatal(err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	cmd := exec.Command(dir+"/compare", "-inner", "-run="+c.only.String(), "-v="+strconv.FormatBool(c.verbose), c.programs[0], c.programs[1])
	cmd.Stdout, cmd.Stderr, cmd.Dir = os.Stdout, os.Stderr, u.HomeDir
	cmd.Env = append(os.Environ(), "HOME="+u.HomeDir, "USER="+name, "LOGNAME="+name)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	if err := cmd.Run(); err != nil {
		return 1
	}
	return 0
}
