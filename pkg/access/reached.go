package access

import "golang.org/x/sys/unix"

// A port is one of this machine.
type port struct {
	number uint16
	tcp    bool
}

// A local is what was used of this machine's ports.
type local struct {
	// open are those at which the payload can be reached, by TCP once it listens, and
	// unknown is set if there is one whose number is not known.
	open    map[port]bool
	unknown bool
	// reached are those to which it has connected or sent, with how often, and accepted is
	// how often it has accepted a connection.
	reached  map[port]int
	accepted int
}

// opens notes that the payload can be reached at a port.
func (l *local) opens(number uint16, tcp bool) {
	if number == 0 || len(l.open) >= maxPaths {
		l.unknown = true
		return
	}
	if l.open == nil {
		l.open = map[port]bool{}
	}
	l.open[port{number, tcp}] = true
}

// reaches notes that it has reached one.
func (l *local) reaches(number uint16, tcp bool) {
	if l.reached == nil {
		l.reached = map[port]int{}
	}
	if len(l.reached) >= maxPaths {
		l.unknown = true
		return
	}
	l.reached[port{number, tcp}]++
}

// shared reports whether ports were reached that the payload has not opened, or whether
// somebody else may have reached one of its ports.
func (l *local) shared() bool {
	connected := 0
	for p, n := range l.reached {
		if !l.open[p] {
			return true
		}
		if p.tcp {
			connected += n
		}
	}
	for p := range l.open {
		if l.reached[p] == 0 {
			return true
		}
	}
	return l.unknown || l.accepted > connected
}

// listened is for a socket that accepts connections from now on.
func (r *Recorder) listened(c call) {
	r.init()
	s, known := r.sockets[r.socketOf(c)]
	switch {
	case !known:
		r.unknown = true
	case s.family == unix.AF_INET || s.family == unix.AF_INET6:
		r.opens(s.port, true)
	}
}

// accepts counts connections.
func (r *Recorder) accepts(c call) {
	r.init()
	s, known := r.sockets[r.socketOf(c)]
	if !known || s.family == unix.AF_INET || s.family == unix.AF_INET6 {
		r.accepted++
	}
}
