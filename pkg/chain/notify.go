package chain

import (
	"fmt"
	"io/fs"
	"strings"

	"hk/internal/notify"
	"hk/pkg/plan"

	"golang.org/x/sys/unix"
)

const notifySocket = "NOTIFY_SOCKET"

// unixOnly is the hint for a manager that has forbidden the socket by which it is told.
const unixOnly = "a unit with RestrictAddressFamilies= cannot notify its manager without AF_UNIX"

// A relay is how the supervisor passes on the notifications of the payload.
type relay struct {
	// manager is a socket that is connected to the manager at address, or nil; the child
	// has it if childs is set.
	manager *plan.Result
	address string
	childs  bool
	// name is the payload's address for the supervisor, or "".
	name string
}

// manager is the address to which this process is to send notifications, or "". A
// process that has been started by another one than the manager says so.
func (t *translator) manager() string {
	if this, set := t.names("SYSTEMD_EXEC_PID"); set && !this {
		return ""
	}
	for _, v := range t.Host.Env {
		address, ok := strings.CutPrefix(v, notifySocket+"=")
		switch {
		case !ok:
		case len(address) < 2 || len(address) > plan.MaxUnixAddress || strings.Contains(address, "\x00"):
			return ""
		case address[0] == '@':
			return address
		case address[0] != '/':
			return "" // of another family
		default:
			if mode, err := t.Host.Stat(address); err != nil || mode&fs.ModeSocket == 0 {
				return ""
			}
			return address
		}
	}
	return ""
}

// connectManager adds the ops that connect to the service manager, before anything else
// that could hide its socket, if there will be a supervisor.
func (t *translator) connectManager() {
	if t.takes || !t.Child.Planned {
		return
	}
	address := t.manager()
	if address == "" {
		return
	}
	t.For(notifySocket)
	defer t.For("")
	t.Child.Relays = true
	t.relay = relay{address: address, childs: t.Plan.Cloned(), manager: t.Open("manager", plan.UnixDatagram().Hint(unix.EAFNOSUPPORT, unixOnly))}
	// Without a manager that listens, a payload that notifies it has no error either.
	t.Add(plan.ConnectUnix(t.relay.manager, address).
		Tolerate(unix.ENOENT, unix.ENOTDIR, unix.ECONNREFUSED, unix.EACCES, unix.EPERM, unix.EPROTOTYPE, unix.ELOOP))
}

// relayNotifications adds the ops by which the child leaves the supervisor a socket, for
// the payload to send to.
//
// Its name is in the payload's network namespace, which no root hides. The domain of
// hk-landlock --scope abstract-unix-socket would hide it if it was not made in it, so
// this comes late. But it must come before a filter that may deny the calls.
func (t *translator) relayNotifications() {
	r := &t.relay
	if r.manager == nil || r.name != "" || !t.Plan.Cloned() {
		return
	}
	t.For(notifySocket)
	defer t.For("")
	r.name = "@hk-notify-" + t.Host.Unique()
	const few = "hk-limit --nofile leaves no descriptor for the socket of notifications"
	own := t.Open("notify", plan.UnixDatagram().Hint(unix.EMFILE, few).Hint(unix.EAFNOSUPPORT, unixOnly))
	t.Add(plan.BindUnix(own, r.name))
	takes := []*plan.Result{own}
	if r.childs {
		takes = append(takes, r.manager)
	}
	name, manager, address := t.Name, r.manager, r.address
	t.Plan.AddStep(plan.Step{Stage: name, Takes: takes,
		Text: fmt.Sprintf("pass on to the service manager at %s what the payload sends to %s", address, r.name),
		Do: func(at plan.Context) error {
			if _, err := unix.Getpeername(at.FD(manager)); err != nil {
				at.Warn(name, fmt.Sprintf("%s: no service manager listens at %s", notifySocket, address))
			}
			return watch(at, name, at.FD(own), at.FD(manager))
		}})
}

// watch passes on from one socket to another as long as the payload runs.
func watch(at plan.Context, name string, from, to int) error {
	from, err := unix.FcntlInt(uintptr(from), unix.F_DUPFD_CLOEXEC, 3)
	if err == nil {
		to, err = unix.FcntlInt(uintptr(to), unix.F_DUPFD_CLOEXEC, 3)
	}
	var r *notify.Relay
	if err == nil {
		r, err = notify.New(from, to)
	}
	if err != nil {
		return err
	}
	r.Stage, r.Warn = name, at.Warn
	at.Watch(r.Watcher())
	return nil
}

// relayed sets the variable by which the payload finds the supervisor, unless a stage has
// changed it.
func (t *translator) relayed() {
	if t.relay.name != "" && t.Env.Passes(notifySocket) {
		t.Env.Set(plan.Var{Name: notifySocket, Value: t.relay.name})
	}
}
