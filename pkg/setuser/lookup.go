package setuser

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"hk/pkg/cause"
	"hk/pkg/ids"
	"hk/pkg/plan"
	"hk/pkg/stage"

	"golang.org/x/sys/unix"
)

// maxGroups is the kernel's NGROUPS_MAX.
const maxGroups = 65536

// A lookup is the supervisor step that looks up the IDs of names.
type lookup struct {
	user, group string
	groups      []string
	// member asks for the groups that list the user.
	member bool

	root            *plan.Result
	uid, gid, count *plan.Result
	list            *plan.Buffer
	step            plan.Step
}

func newLookup(s *stage.State, user, group string, groups []string) *lookup {
	l := &lookup{user: user, group: group, groups: groups}
	l.count = s.Plan.NewResult("ngroups")
	l.list = plan.Reserve("$groups", 4*maxGroups)
	l.step = plan.Step{Stage: s.Name, Do: l.do}
	what := strings.Join(append(slices.DeleteFunc([]string{user, group}, func(w string) bool { return w == "" }), groups...), ", ")
	l.step.Text = "look up " + what + " in /etc/passwd and /etc/group of the current root"
	if user != "" {
		l.uid, l.gid = s.Plan.NewResult("uid"), s.Plan.NewResult("gid")
		l.step.Gives = []*plan.Result{l.uid, l.gid}
	}
	l.step.Gives = append(l.step.Gives, l.count)
	return l
}

// plan adds the step. It gets the root from the process that performs the plan: opening
// it from outside would need the right to trace that process, which an ordinary user's
// supervisor lacks once the process has joined a user namespace.
func (l *lookup) plan(s *stage.State) {
	l.root = s.Open("root", plan.Openat(plan.AtCwd(), "/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0))
	l.step.Takes = []*plan.Result{l.root}
	s.Plan.AddStep(l.step)
	s.Add(plan.Close(l.root))
}

func (l *lookup) setgroups() *plan.Op {
	return mayKeepGroups(plan.SetgroupsFrom(plan.Ref(l.count), l.list))
}

// mayKeepGroups adds hints to setgroups(2).
func mayKeepGroups(op *plan.Op) *plan.Op {
	return stage.Mapped("a supplementary group", op).
		Because(unix.EPERM, cause.Capability, "setgroups(2) needs CAP_SETGID; --groups keep keeps the groups")
}

func (l *lookup) do(at plan.Context) error {
	root := at.FD(l.root)
	passwd, err := readDatabase(root, database{path: "etc/passwd", fields: 7, ids: 2, wants: []string{l.user}})
	if err != nil {
		return err
	}
	want := database{path: "etc/group", fields: 4, ids: 1, wants: append([]string{l.group}, l.groups...)}
	if line := passwd.find(l.user); line != nil && l.member {
		want.member = line[0]
	}
	group, err := readDatabase(root, want)
	if err != nil {
		return err
	}
	for _, d := range []database{passwd, group} {
		if text := d.malformed(); text != "" {
			at.Warn(l.step.Stage, text)
		}
	}
	var gids []uint32
	if l.user != "" {
		uid, gid, err := l.findUser(passwd, group)
		if err != nil {
			return err
		}
		at.Set(l.uid, uint64(uid))
		at.Set(l.gid, uint64(gid))
		if group.member != "" {
			gids = group.memberships(gid)
		}
	}
	for _, g := range l.groups {
		id, err := group.id(g)
		if err != nil {
			return err
		}
		gids = append(gids, id)
	}
	if len(gids) > maxGroups {
		return fmt.Errorf("%d supplementary groups: the kernel accepts at most %d", len(gids), maxGroups)
	}
	b := []byte{}
	for _, g := range gids {
		b = binary.NativeEndian.AppendUint32(b, g)
	}
	at.Fill(l.list, b)
	at.Set(l.count, uint64(len(gids)))
	return nil
}

func (l *lookup) findUser(passwd, group database) (uid, gid uint32, err error) {
	line := passwd.find(l.user)
	switch {
	case line != nil:
		uid, _ = ids.Parse(line[2])
		gid, _ = ids.Parse(line[3])
	case !isID(l.user):
		return 0, 0, fmt.Errorf("%s is not in /etc/passwd of the current root", l.user)
	case l.group == "":
		return 0, 0, fmt.Errorf("%s is not in /etc/passwd of the current root and so has no group: write %s:GROUP", l.user, l.user)
	default:
		uid, _ = ids.Parse(l.user)
	}
	if root := (&User{Name: l.user}).isRoot(); root != (uid == 0) {
		return 0, 0, rootError(l.user, uid)
	}
	if l.group != "" {
		gid, err = group.id(l.group)
	}
	return uid, gid, err
}

// rootError is for a name whose user ID is 0, or is not, contrary to what the plan was
// made for: user ID 0 gains capabilities by execve(2), and thereby loses the
// parent-death signal.
func rootError(user string, uid uint32) error {
	if uid == 0 {
		return fmt.Errorf("%s is user ID 0 in /etc/passwd of the current root, and gets root's capabilities: if that is intended, use --user 0", user)
	}
	return fmt.Errorf("%s is user ID %d in /etc/passwd of the current root: use --user %d, or 0 with a group", user, uid, uid)
}
