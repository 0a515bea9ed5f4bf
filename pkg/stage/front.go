package stage

// A Front is the command line with which somebody else has called a front door, a program that
// compiles such a line to a chain. It is compiled again in order to look at that chain.
type Front struct {
	// Program is the path of the front door, and Words are the command line with its name.
	Program string
	Words   []string
	// The IDs, the capabilities and the environment of the process. NoDir is set if its working
	// directory is not known.
	UID, GID             uint32
	Groups               []uint32
	Permitted, Effective uint64
	Env                  []string
	NoDir                bool
}
