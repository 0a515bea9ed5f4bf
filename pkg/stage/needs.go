package stage

// Needs is what the settings of a stage require of the plan around its ops, and how
// they affect the following stages. The zero value is a stage that may come anywhere
// and does not affect them. If the stages need more than one clone, the plan is split,
// and the second part is executed as a separate chain.
type Needs struct {
	// Clone is set if the stage's ops need a child, for example for a new PID
	// namespace.
	Clone bool
	// Supervisor is set if something must be done outside the payload while it runs. A
	// plan that would have no clone starts with one for that.
	Supervisor bool
	// Before adds what this process does before anything else, while it is still the
	// caller, and AtChild what comes right after the clone, as long as nothing has
	// changed; or they are nil. Preconditions: Supervisor or, for Before alone, First.
	Before, AtChild func(*State) error
	// Attach adds the step that makes the supervisor the child's tracer, or is nil.
	Attach func(*State) error
	// First is set if the stage shows what those before it have done. It is executed beside
	// the child, as a program that has nothing else in its plan. Where that is not possible,
	// nothing may come before it in its plan: it is executed as a separate chain, with
	// everything after it.
	First bool
	// Last is set if nothing may follow the stage in its plan: the rest is executed as
	// a separate chain.
	Last bool
	// CallerProc is set if the stage needs the caller's procfs even in a new root:
	// [State.CallerProc].
	CallerProc bool
	// DieWithParent is set if the process that performs the plan must die with its
	// parent; this is set up first of all. Parent is the expected parent, or 0 for any.
	DieWithParent bool
	Parent        int

	// Init is set if a process of hk must be PID 1 of a PID namespace that the plan creates.
	// A payload that is PID 1 can clear its parent death signal and kill the supervisor.
	Init bool

	// OtherUser is set if the stage creates or joins a user namespace, and Joins if it
	// joins any namespace, for which the child may need what [State.ShieldSupervisor]
	// removes.
	OtherUser, Joins bool
	// Joined is set if the stage joins a user namespace, or may: processes in it can trace
	// what is executed there.
	Joined bool
	// Credentials is set if the stage changes IDs or capabilities, and UserID if it
	// changes the user or group ID, after which the kernel resets whether the process
	// is dumpable.
	Credentials, UserID bool

	// FDs are descriptors of the caller that the stage uses: they are not left to the payload.
	FDs []int
	// Leaves are descriptors of the caller that the payload is to get.
	Leaves []int
	// Alone is set if the child must have its own memory: unshare(2) of a user namespace is
	// for a process that shares it with no other.
	Alone bool

	// Hides is set if the program of the next stage may no longer be reachable
	// afterwards.
	Hides bool
	// Root is set if the stage makes or changes the root directory, in which another one
	// looks up its paths: two such stages are never in one plan.
	Root bool
	// Confines is set if files that no rule allows can no longer be executed or read,
	// including the program of the next stage.
	Confines bool
	// Filters is set if the stage may deny system calls of the following ops: the ops
	// that undo the start of this program come before it.
	Filters bool
	// Unread is set if what later processes write to standard output and standard error is
	// read only once the plan has executed a program.
	Unread bool
	// Exposes is set if processes outside the chain may inspect the chain's processes,
	// and choose by their files what those execute.
	Exposes bool
	// ForeignRoot is set if the stage may enter an untrusted root directory, whose
	// owner chooses by its files what is executed.
	ForeignRoot bool
}
