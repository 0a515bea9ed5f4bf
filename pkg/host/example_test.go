package host_test

import (
	"errors"
	"fmt"

	"hk/pkg/host"
)

// What of the kernel a plan can use here.
func ExampleFeatures() {
	for _, f := range host.Features() {
		switch err := f.Check(); {
		case err == nil:
			fmt.Printf("%v: yes\n", f)
		case errors.Is(err, host.ErrNotSupported):
			fmt.Printf("%v: no, in Linux since %v: %s\n", f, f.Since(), f.Advice())
		default:
			fmt.Printf("%v: cannot be told: %v\n", f, err)
		}
	}
}
