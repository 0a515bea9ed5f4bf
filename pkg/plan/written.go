package plan

import (
	"errors"
	"fmt"
	"slices"

	"hk/pkg/cause"

	"golang.org/x/sys/unix"
)

// A Written is what remains of a plan once it is laid out, as values that can be kept
// in a file: what is needed to perform it, to report a failure and to print it. The
// arguments of the ops are in the layout; only their text is here.
type Written struct {
	Items []WrittenItem
	// Results and Buffers are those of [Plan.Results] and [Plan.Buffers].
	Results, Buffers int
	// Cloned means that there is a clone; the fields below are for that.
	Cloned                   bool
	Between                  Actor
	PayloadIsPID1, OwnMemory bool
	// Supervisor, Own and Rest are the numbers of [Sockets]; Rest is -1 if there is no such socket.
	Supervisor, Own, Rest int
	// PidFD is the number of [Plan.PidFD].
	PidFD int

	Mute, Lingers, Leaves bool
	MayKill               string
	Keep                  []int
}

// A WrittenItem is an op.
type WrittenItem struct {
	Actor             Actor
	Stage, Name, Text string
	Cause             string
	Roles             Role
	Tolerated         []unix.Errno
	Exact             bool
	Want              int64
	// Result is the name of the op's result in String, or "", and Number is its number.
	Result string
	Number int
	// Closes is the number of the result that the op closes, or -1.
	Closes int
	Hints  []WrittenHint
}

// A WrittenHint is a sentence about a failure: [Op.Hint].
type WrittenHint struct {
	Errno unix.Errno
	Text  string
	Cause cause.Name
}

// Write returns the plan as values. A plan with steps cannot be written: they are
// functions of the program that made it. Nor can one that takes a command.
func (p *Plan) Write() (*Written, error) {
	if p.apart != nil {
		return nil, errors.New("the plan of a program that continues to run cannot be kept in a file")
	}
	w := &Written{Results: p.results, Buffers: p.buffers, Cloned: p.Cloned(), Between: p.between, PayloadIsPID1: p.pid1,
		OwnMemory: p.copies, Rest: -1, Mute: p.Mute, Lingers: p.Lingers, Leaves: p.Leaves, MayKill: p.MayKill, Keep: p.Keep}
	if w.Cloned {
		w.Supervisor, w.Own, w.PidFD = p.sockets.Supervisor.number, p.sockets.Own.number, p.pidfd.number
	}
	if p.sockets.Rest != nil {
		w.Rest = p.sockets.Rest.number
	}
	for _, it := range p.items {
		if it.Step != nil {
			return nil, fmt.Errorf("%s: %s: a step of the supervisor cannot be kept in a file", it.Step.Stage, it.Step.Text)
		}
		if it.Actor == Observer {
			return nil, fmt.Errorf("%s: a plan that executes it beside the child cannot be kept in a file", it.Op.Stage)
		}
		if it.Op.If != 0 {
			return nil, fmt.Errorf("%s: %s: what each run gives cannot be kept in a file", it.Op.Stage, it.Op)
		}
		w.Items = append(w.Items, it.write())
	}
	return w, nil
}

func (it Item) write() WrittenItem {
	o := it.Op
	w := WrittenItem{Actor: it.Actor, Stage: o.Stage, Name: o.Name, Text: o.String(), Cause: o.Cause, Roles: o.Roles,
		Tolerated: o.Tolerated, Exact: o.Exact, Want: o.Want, Closes: -1}
	if o.Result != nil {
		w.Result, w.Number = o.Result.String(), o.Result.number
	}
	if o.Closes != nil {
		w.Closes = o.Closes.number
	}
	for _, h := range o.hints {
		w.Hints = append(w.Hints, WrittenHint{h.errno, h.text, h.cause})
	}
	return w
}

// Plan returns the plan that was written. It can be printed, and performed by a program
// that was laid out from it, but nothing can be added to it.
func (w *Written) Plan() (*Plan, error) {
	const most = 1 << 20
	if w.Results < 0 || w.Results > most || w.Buffers < 0 || w.Buffers > most || len(w.Items) > most || w.Between > Joiner {
		return nil, errors.New("no plan has as many results, buffers or ops")
	}
	results := make([]Result, w.Results)
	for i := range results {
		results[i].number = i
	}
	p := &Plan{results: w.Results, buffers: w.Buffers, between: w.Between, pid1: w.PayloadIsPID1, copies: w.OwnMemory,
		Mute: w.Mute, Lingers: w.Lingers, Leaves: w.Leaves, MayKill: w.MayKill, Keep: w.Keep}
	at := func(n int) (*Result, error) {
		if n < 0 || n >= len(results) {
			return nil, fmt.Errorf("there is no result %d of %d", n, len(results))
		}
		return &results[n], nil
	}
	for _, it := range w.Items {
		op, err := it.op(at)
		if err != nil {
			return nil, err
		}
		p.items = append(p.items, Item{Actor: it.Actor, Op: op})
	}
	if !w.Cloned {
		return p, nil
	}
	p.who = Child
	var errs [3]error
	p.sockets.Supervisor, errs[0] = at(w.Supervisor)
	p.sockets.Own, errs[1] = at(w.Own)
	if w.Rest != -1 {
		p.sockets.Rest, errs[2] = at(w.Rest)
	}
	if w.PidFD < 1 || w.PidFD > w.Buffers {
		return nil, fmt.Errorf("there is no buffer %d of %d", w.PidFD, w.Buffers)
	}
	p.pidfd = Reserve("", 8)
	p.pidfd.number = w.PidFD
	return p, errors.Join(errs[:]...)
}

// op returns the op. It has no arguments: only their text is left.
func (w WrittenItem) op(at func(int) (*Result, error)) (*Op, error) {
	if w.Actor > Child || len(w.Tolerated) > MaxTolerated {
		return nil, fmt.Errorf("%s: an unknown process, or too many tolerated errors", w.Name)
	}
	o := &Op{Stage: w.Stage, Name: w.Name, text: &w.Text, Cause: w.Cause, Roles: w.Roles,
		Tolerated: slices.Clip(w.Tolerated), Exact: w.Exact, Want: w.Want}
	var err error
	if w.Result != "" {
		if o.Result, err = at(w.Number); err != nil {
			return nil, err
		}
		o.Result.name = w.Result[1:]
	}
	if w.Closes >= 0 {
		o.Closes, err = at(w.Closes)
	}
	for _, h := range w.Hints {
		o.hints = append(o.hints, hint{h.Errno, h.Text, h.Cause})
	}
	return o, err
}
