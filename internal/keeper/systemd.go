package keeper

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"time"

	"github.com/godbus/dbus/v5"
)

// systemd is a connection to a manager: the system's for root, otherwise the user's.
type systemd struct {
	conn    *dbus.Conn
	manager dbus.BusObject
	signals chan *dbus.Signal
}

const managerName = "org.freedesktop.systemd1.Manager"

// sockets are those of the bus, and of the manager itself, which needs no bus.
func sockets(uid int) (bus, private string) {
	if uid == 0 {
		return "/run/dbus/system_bus_socket", "/run/systemd/private"
	}
	runtime := "/run/user/" + strconv.Itoa(uid)
	return runtime + "/bus", runtime + "/systemd/private"
}

// connect does not use DBUS_SESSION_BUS_ADDRESS: an address may name a program to be
// executed, and the path is always the same.
func connect(ctx context.Context) (*systemd, error) {
	uid := os.Geteuid()
	bus, private := sockets(uid)
	s, err := dial(ctx, bus, uid, true)
	if err == nil {
		return s, nil
	}
	s, err2 := dial(ctx, private, uid, false)
	if err2 == nil {
		return s, nil
	}
	return nil, fmt.Errorf("%w, %w", err, err2)
}

func dial(ctx context.Context, socket string, uid int, bus bool) (*systemd, error) {
	conn, err := dbus.Dial("unix:path="+socket, dbus.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	s := &systemd{conn: conn, manager: conn.Object("org.freedesktop.systemd1", "/org/freedesktop/systemd1"),
		signals: make(chan *dbus.Signal, 64)}
	err = conn.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(uid))})
	if err == nil && bus {
		err = conn.Hello()
	}
	if err == nil && bus {
		err = conn.AddMatchSignalContext(ctx, dbus.WithMatchInterface(managerName), dbus.WithMatchMember("JobRemoved"))
	}
	if err == nil && !bus {
		err = s.wake(ctx)
	}
	if err == nil {
		conn.Signal(s.signals)
		err = s.call(ctx, "Subscribe").Err
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("%s: %w", socket, err)
	}
	return s, nil
}

// wake waits until the manager answers. If it has read the first message together with the
// end of the authentication, it answers only when it has got another.
func (s *systemd) wake(ctx context.Context) error {
	answers := make(chan *dbus.Call, 64)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range cap(answers) {
		s.manager.GoWithContext(ctx, "org.freedesktop.DBus.Peer.Ping", 0, answers)
		select {
		case c := <-answers:
			return c.Err
		case <-tick.C:
		}
	}
	select {
	case c := <-answers:
		return c.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *systemd) call(ctx context.Context, method string, args ...any) *dbus.Call {
	return s.manager.CallWithContext(ctx, managerName+"."+method, 0, args...)
}

// A property of a unit, as the bus has it.
type property struct {
	Name  string
	Value dbus.Variant
}

// start starts a scope with this process in it.
func (s *systemd) start(ctx context.Context, unit string, pids bool) error {
	list := []property{
		{"Description", dbus.MakeVariant("A payload of hk")},
		{"PIDs", dbus.MakeVariant([]uint32{uint32(os.Getpid())})},
		{"Delegate", dbus.MakeVariant(true)},
		{"CollectMode", dbus.MakeVariant("inactive-or-failed")},
	}
	if pids {
		// Otherwise there is a limit by default, which may be below what was asked for.
		list = append(list, property{"TasksMax", dbus.MakeVariant(^uint64(0))})
	}
	// By default systemd ends a scope in which something was killed for want of memory;
	// before version 253 it does not, and does not know the property.
	policy := property{"OOMPolicy", dbus.MakeVariant("continue")}
	err := s.startWith(ctx, unit, append(list, policy))
	var refused dbus.Error
	if errors.As(err, &refused) && refused.Name == "org.freedesktop.DBus.Error.PropertyReadOnly" {
		err = s.startWith(ctx, unit, list)
	}
	return err
}

func (s *systemd) startWith(ctx context.Context, unit string, list []property) error {
	type auxiliary struct {
		Name       string
		Properties []property
	}
	var job dbus.ObjectPath
	if err := s.call(ctx, "StartTransientUnit", unit, "fail", list, []auxiliary{}).Store(&job); err != nil {
		return err
	}
	return s.wait(ctx, job)
}

// wait waits for a job.
func (s *systemd) wait(ctx context.Context, job dbus.ObjectPath) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case sig, ok := <-s.signals:
			if !ok {
				return errors.New("the connection was closed")
			}
			if sig.Name != managerName+".JobRemoved" || len(sig.Body) < 4 || sig.Body[1] != job {
				continue
			}
			if result := sig.Body[3]; result != "done" {
				return fmt.Errorf("the result of its job is %v", result)
			}
			return nil
		}
	}
}

// attach moves a process into a cgroup of a unit.
func (s *systemd) attach(ctx context.Context, unit, cgroup string, pid int) error {
	return s.call(ctx, "AttachProcessesToUnit", unit, cgroup, []uint32{uint32(pid)}).Err
}

// delegates reports whether a unit is a scope or a service with Delegate=yes.
func (s *systemd) delegates(ctx context.Context, unit string) bool {
	kind := map[string]string{".scope": "Scope", ".service": "Service"}[path.Ext(unit)]
	var at dbus.ObjectPath
	if kind == "" || s.call(ctx, "GetUnit", unit).Store(&at) != nil {
		return false
	}
	var value dbus.Variant
	err := s.conn.Object("org.freedesktop.systemd1", at).CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0,
		"org.freedesktop.systemd1."+kind, "Delegate").Store(&value)
	return err == nil && value.Value() == true
}
