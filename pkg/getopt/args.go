package getopt

// Args are flags as they are printed, for [Flags.Parse] to read.
type Args []string

// Bool prints a switch that is on.
func (a *Args) Bool(name string, on bool) {
	if on {
		*a = append(*a, "--"+name)
	}
}

// String prints a flag with a value, also an empty one.
func (a *Args) String(name, value string) { *a = append(*a, "--"+name+"="+value) }

// Set prints a flag with a value unless that is empty, which stands for a flag that
// is not there.
func (a *Args) Set(name, value string) {
	if value != "" {
		a.String(name, value)
	}
}
