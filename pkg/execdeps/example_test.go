package execdeps_test

import (
	"fmt"
	"log"
	"os"

	"hk/pkg/execdeps"

	"golang.org/x/sys/unix"
)

// What it takes to start a program of this machine.
func Example() {
	fd, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		log.Fatal(err)
	}
	defer unix.Close(fd)
	f := execdeps.Finder{Root: execdeps.NewRoot(fd), Env: execdeps.EnvironmentOf(os.Environ())}
	if err := f.Program("sh"); err != nil {
		log.Fatal(err)
	}
	for _, file := range f.Files() {
		fmt.Println(file.Path, file.Execute)
	}
}

func ExampleCandidates() {
	fmt.Println(execdeps.Candidates("sh", "/usr/local/bin::/bin"))
	fmt.Println(execdeps.Candidates("./sh", "/bin"))
	// Output:
	// [/usr/local/bin/sh ./sh /bin/sh]
	// [./sh]
}
