package why

import (
	"encoding/binary"
	"reflect"
	"strings"
	"testing"

	"hk/internal/tracepoint"

	"golang.org/x/sys/unix"
)

// The descriptions of Linux 7.3, without what is not looked at.
const (
	common = "name: x\nID: %\nformat:\n\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n" +
		"\tfield:u64 domain_id;\toffset:8;\tsize:8;\tsigned:0;\n"
	formatFS = common + "\tfield:bool same_exec;\toffset:16;\tsize:1;\tsigned:0;\n\tfield:enum landlock_request_type blockers_type;\toffset:20;\tsize:4;\tsigned:0;\n" +
		"\tfield:access_mask_t blockers_access;\toffset:24;\tsize:4;\tsigned:0;\n\tfield:__data_loc char[] pathname;\toffset:40;\tsize:4;\tsigned:0;\n\n" +
		"print fmt: \"...\", REC->blockers_type == 3 ? __print_flags(REC->blockers_access, ...)\n"
	formatNet = common + "\tfield:access_mask_t blockers_access;\toffset:24;\tsize:4;\tsigned:0;\n\tfield:s64 port;\toffset:32;\tsize:8;\tsigned:1;\n"
)

// sampleOf is a record with a sample of numbers at offsets, and a text at 48.
func sampleOf(pid, tid uint32, id uint16, text string, numbers map[int]uint64) []byte {
	b := make([]byte, 48+len(text)+1)
	for at, n := range numbers {
		binary.NativeEndian.PutUint64(b[at:], n)
	}
	binary.NativeEndian.PutUint16(b, id)
	copy(b[48:], text)
	if text != "" {
		binary.NativeEndian.PutUint32(b[40:], uint32(len(text)+1)<<16|48)
	}
	r := make([]byte, 20, 20+len(b))
	binary.NativeEndian.PutUint32(r, unix.PERF_RECORD_SAMPLE)
	binary.NativeEndian.PutUint16(r[6:], uint16(20+len(b)))
	binary.NativeEndian.PutUint32(r[8:], pid)
	binary.NativeEndian.PutUint32(r[12:], tid)
	binary.NativeEndian.PutUint32(r[16:], uint32(len(b)))
	return append(r, b...)
}

func TestTracepoints(t *testing.T) {
	lost := ""
	trace := &tracing{unseen: func(text string) { lost = text }, formats: map[uint16]tracepoint.Format{}, entered: map[uint64]int{}, pending: map[int][]*tracedDenial{}}
	for name, text := range map[string]string{"landlock_enforce_domain": common, "landlock_deny_access_fs": formatFS, "landlock_deny_access_net": formatNet} {
		id := map[string]string{"landlock_enforce_domain": "5", "landlock_deny_access_fs": "6", "landlock_deny_access_net": "7"}[name]
		f, err := parseFormat(name, strings.Replace(text, "%", id, 1))
		if err != nil {
			t.Fatal(err)
		}
		trace.formats[f.ID] = f
	}
	access := func(kind, set uint64) map[int]uint64 { return map[int]uint64{8: 77, 20: kind | set<<32} }
	for _, r := range [][]byte{
		sampleOf(10, 10, 5, "", map[int]uint64{8: 77}),
		sampleOf(99, 99, 5, "", map[int]uint64{8: 78}),
		sampleOf(11, 12, 6, "/etc/passwd", access(3, unix.LANDLOCK_ACCESS_FS_WRITE_FILE|unix.LANDLOCK_ACCESS_FS_TRUNCATE)),
		sampleOf(11, 13, 6, "/mnt", access(2, 0)),
		sampleOf(11, 13, 7, "", map[int]uint64{8: 77, 24: unix.LANDLOCK_ACCESS_NET_CONNECT_TCP, 32: 80}),
		sampleOf(98, 98, 6, "/other", map[int]uint64{8: 78, 20: 3 | 4<<32}),
	} {
		trace.record(r)
		trace.record(r[:18]) // cut off
		trace.record(append(r[:16:16], 255, 255, 0, 0))
	}
	trace.returned(12, false)
	trace.returned(13, true)
	want := []denial{
		{pid: 11, blockers: []string{"fs.write_file", "fs.truncate"}, path: "/etc/passwd", port: -1, target: -1, call: true},
		{pid: 11, blockers: []string{"fs.change_topology"}, path: "/mnt", port: -1, target: -1},
		{pid: 11, blockers: []string{"net.connect_tcp"}, port: 80, target: -1},
	}
	if got := trace.denials(10); !reflect.DeepEqual(got, want) || lost != "" {
		t.Errorf("the denials are\n%+v, lost %q; want\n%+v", got, lost, want)
	}
	gone := make([]byte, 24)
	binary.NativeEndian.PutUint32(gone, unix.PERF_RECORD_LOST)
	if trace.record(gone); lost == "" {
		t.Error("what was lost is not said")
	}
	if _, err := parseFormat("landlock_deny_access_fs", strings.Replace(common, "%", "6", 1)); err == nil {
		t.Error("a description with other numbers is taken")
	}
}
