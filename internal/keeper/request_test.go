package keeper

import (
	"errors"
	"testing"

	"hk/pkg/cause"
)

func TestNoPlace(t *testing.T) {
	denied, none := errors.New("mkdir: permission denied"), errors.New("systemd does not run here")
	lacks := cause.Because(cause.CgroupController, errors.New("the controller memory is not available"))
	hidden := cause.Because(cause.CgroupMount, errors.New("no mount"))
	for _, c := range []struct {
		tried []error
		text  string
		want  cause.Name
	}{
		{[]error{denied, none}, "mkdir: permission denied; systemd does not run here", cause.CgroupDelegation},
		{[]error{denied, none, lacks}, "mkdir: permission denied; systemd does not run here; the controller memory is not available", cause.CgroupController},
		{[]error{lacks, none, lacks}, "the controller memory is not available; systemd does not run here", cause.CgroupController},
		{[]error{hidden, none}, "no mount; systemd does not run here", cause.CgroupMount},
		{[]error{hidden, none, lacks}, "no mount; systemd does not run here; the controller memory is not available", cause.CgroupController},
	} {
		err := noPlace(c.tried)
		if want := "no cgroup can be made: " + c.text + ": " + hint(); err.Error() != want || cause.In(err) != c.want {
			t.Errorf("noPlace(%q) = %v, %q; want %s, %q", c.tried, err, cause.In(err), want, c.want)
		}
	}
}

func TestNoHierarchy(t *testing.T) {
	v1, v2 := &hierarchy{controllers: []string{"cpu"}, own: "/"}, &hierarchy{v2: true, own: "/x"}
	for _, c := range []struct {
		list []*hierarchy
		want cause.Name
	}{
		{nil, cause.CgroupController}, {[]*hierarchy{v1}, cause.CgroupController}, {[]*hierarchy{v1, v2}, cause.CgroupMount},
	} {
		if err := noHierarchy(c.list, "pids"); cause.In(err) != c.want {
			t.Errorf("noHierarchy(%d) = %v, %q; want %q", len(c.list), err, cause.In(err), c.want)
		}
	}
}
