package plan

import (
	"fmt"
	"slices"

	"hk/pkg/cause"

	"golang.org/x/sys/unix"
)

// A Result is a value returned by one op and used by later ones, usually a file
// descriptor. The zero value is not usable; [Plan.NewResult] makes one.
type Result struct {
	name string
	// same is the number of earlier results with that name.
	same int
	// number counts the results of a plan.
	number int
}

func (r *Result) String() string {
	if r.same > 0 {
		return fmt.Sprint("$", r.name, r.same+1)
	}
	return "$" + r.name
}

// Number is the number of the result in its plan, starting with 0.
func (r *Result) Number() int { return r.number }

// A Role is something that package run needs to know about an op, other than its
// arguments.
type Role uint16

// An op may have several roles.
const (
	// Clones is for an op that creates a process, in which the plan continues.
	Clones Role = 1 << iota
	// Executes is for an op that executes a program.
	Executes
	// Filters is for an op that loads a seccomp filter.
	Filters
	// Opens is for an op whose result is a descriptor.
	Opens
	// Tells is for an op that tells the supervisor how far the child has come.
	Tells
	// Logs is for an op whose failure the kernel explains in messages that can be read
	// from the descriptor in its first argument: fsopen(2).
	Logs
	// Retries is for an op that is repeated while it fails with EAGAIN: openat2(2) of a
	// path in a tree that is being changed.
	Retries
	// Awaits is for an op that tells the supervisor, whose answer the next op reads,
	// where that is not the end of a step.
	Awaits
	// Observes is for an op that creates an [Observer], which performs the items that
	// follow as far as they are its own.
	Observes
)

// An Op is one system call with its arguments. It can be added to one plan, once: the
// methods change it.
type Op struct {
	// Stage is the stage that asked for the op: "hk-mount".
	Stage string
	// Name is the system call's name in its manual page, and Number its number here.
	Name   string
	Number uintptr
	// Args are the arguments, at most six.
	Args []Arg
	// Result is the result of the op, or nil.
	Result *Result
	// Tolerated are errnos that do not stop the plan, at most [MaxTolerated].
	Tolerated []unix.Errno
	// Want is the only return value that means success, if Exact is set.
	Exact bool
	// Succeeds is set if the op is wait4(2), and the status in its second argument must be 0.
	Succeeds bool
	Want     int64
	// Same is a result of an earlier op in place of Want, or nil.
	Same  *Result
	Roles Role
	// If is what a run must give, otherwise it skips the op; or 0.
	If Given
	// Closes is the descriptor that the op closes, or nil.
	Closes *Result
	// Asks is the step that the op asks the supervisor to perform, or nil.
	Asks *Step
	// Cause is what asked for the op: [Op.For].
	Cause string

	hints []hint
	// text is the printed op, if its arguments are not available, or nil: [Written].
	text *string
}

// MaxTolerated is the maximum number of errnos of an op that can be tolerated.
const MaxTolerated = 8

//go:noinline
func call(name string, nr uintptr, args ...Arg) *Op {
	return &Op{Name: name, Number: nr, Args: args}
}

// Is reports whether the op has a role.
func (o *Op) Is(r Role) bool { return o.Roles&r != 0 }

// Gives returns the op with its return value stored in r. If the op fails with a
// tolerated errno, the value is -1.
func (o *Op) Gives(r *Result) *Op {
	o.Result = r
	return o
}

// Tolerate returns the op with errnos that do not stop the plan, because the state that
// the op should bring about exists already, or because the next op is an alternative to
// it.
func (o *Op) Tolerate(errnos ...unix.Errno) *Op {
	if len(errnos) > MaxTolerated {
		panic("plan: too many tolerated errnos")
	}
	o.Tolerated = errnos
	return o
}

// Tolerates reports whether the plan continues if the op fails with e.
func (o *Op) Tolerates(e unix.Errno) bool { return slices.Contains(o.Tolerated, e) }

// Exactly returns the op with the only return value that means success, for example for
// a write that must not be short.
func (o *Op) Exactly(n int) *Op {
	o.Exact, o.Want = true, int64(n)
	return o
}

// ExactlyResult is [Op.Exactly] with the result of an earlier op.
func (o *Op) ExactlyResult(r *Result) *Op {
	o.Exact, o.Same = true, r
	return o
}

// Again is a copy of an op that may be in a plan, to be added once more.
func (o *Op) Again() *Op {
	again := *o
	again.Stage = ""
	return &again
}

// For returns the op with what asked for it, a flag with its value or a line of a file,
// for errors to name. "" means nothing. It takes precedence over [Plan.For].
func (o *Op) For(cause string) *Op {
	o.Cause = cause
	return o
}

// Hint returns the op with a sentence for the user, for the case that it fails with
// errno and that this has one likely cause. 0 is for an unexpected result.
func (o *Op) Hint(errno unix.Errno, text string) *Op {
	return o.Because(errno, "", text)
}

// Because is Hint with the name of the cause.
func (o *Op) Because(errno unix.Errno, name cause.Name, text string) *Op {
	o.hints = append(o.hints, hint{errno, text, name})
	return o
}

// A hint is a sentence about a failure. If there are several for one errno, the last
// one applies.
type hint struct {
	errno unix.Errno
	text  string
	cause cause.Name
}

// HintFor is the hint for a failure with errno, and the name of the cause that it states;
// each is "" if there is none.
func (o *Op) HintFor(errno unix.Errno) (text string, name cause.Name) {
	for _, h := range o.hints {
		if h.errno == errno {
			text, name = h.text, h.cause
		}
	}
	return text, name
}
