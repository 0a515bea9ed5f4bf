package getopt

// Args are flags in printed form, as [Flags.Parse] reads them.
type Args []string

// Bool prints a switch that is on.
func (a *Args) Bool(name string, on bool) {
	if on {
		*a = append(*a, "--"+name)
	}
}

// String prints a flag with a value, which may be empty.
func (a *Args) String(name, value string) { *a = append(*a, "--"+name+"="+value) }

// Set prints a flag with a value, unless the value is empty, which means that the flag
// is not set.
func (a *Args) Set(name, value string) {
	if value != "" {
		a.String(name, value)
	}
}
