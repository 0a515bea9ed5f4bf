// Package profile reads the configuration files of hk-run(1), which are those of
// hakoniwa 1.6.0 and some tables more: hk-run.toml(5). It knows TOML, the keys, included
// files, and where everything was written. What a value means is for who compiles it.
package profile

// A Profile is a file together with what it includes: each list has the entries of the
// included files first, in the order of the list of includes.
type Profile struct {
	Include []string `toml:"@include"`
	Shared
	Rootdir    *Rootdir `toml:"rootdir"`
	Rootfs     *string  `toml:"rootfs"`
	UIDMaps    []IDMap  `toml:"uidmaps"`
	GIDMaps    []IDMap  `toml:"gidmaps"`
	Hostname   *string  `toml:"hostname"`
	Domainname *string  `toml:"domainname"`
	Limits     []Limit  `toml:"limits"`
	Seccomp    *Seccomp `toml:"seccomp"`
	Command    *Command `toml:"command"`
	Time       *Time    `toml:"time"`
	User       *User    `toml:"user"`
	Cgroup     *Cgroup  `toml:"cgroup"`
	Report     *Report  `toml:"report"`
	Process    *Process `toml:"process"`
	Place      `toml:"-"`

	// Actions are what the templates ask for on the host: nothing is done yet.
	Actions []Action `toml:"-"`
}

// Shared are the tables that an included file may have too.
type Shared struct {
	Namespaces []Namespace `toml:"namespaces"`
	Mounts     []Mount     `toml:"mounts"`
	Filesystem *Filesystem `toml:"filesystem"`
	Envs       []Env       `toml:"envs"`
	Network    *Network    `toml:"network"`
	Landlock   *Landlock   `toml:"landlock"`
}

// A Namespace is created or, with Share, not created.
type Namespace struct {
	Type  string `toml:"type"`
	Share bool   `toml:"share"`
	Place `toml:"-"`
}

// A Mount is something that is mounted.
type Mount struct {
	// Source is nil if it was not written, which is not the same as "".
	Source      *string  `toml:"source"`
	Destination *string  `toml:"destination"`
	Type        string   `toml:"type"`
	Writable    bool     `toml:"rw"`
	Optional    bool     `toml:"optional"`
	Options     []string `toml:"options"`
	// Lower, Upper and Work are the layers of an overlay.
	Lower []string `toml:"lower"`
	Upper string   `toml:"upper"`
	Work  string   `toml:"work"`
	Place `toml:"-"`
}

// Filesystem is what is created in the new root, and what is covered there.
type Filesystem struct {
	Files    []File      `toml:"files"`
	Dirs     []Dir       `toml:"dirs"`
	Symlinks []Symlink   `toml:"symlinks"`
	Protect  []Protected `toml:"protect"`
	Masks    []Covered   `toml:"masks"`
	ReadOnly []Covered   `toml:"read_only"`
}

// A File is a file with a text.
type File struct {
	Destination string `toml:"destination"`
	Contents    string `toml:"contents"`
	Place       `toml:"-"`
}

// A Dir is a directory. Mode is octal.
type Dir struct {
	Destination string `toml:"destination"`
	Mode        string `toml:"mode"`
	Place       `toml:"-"`
}

// A Symlink leads from Link to Original.
type Symlink struct {
	Original string `toml:"original"`
	Link     string `toml:"link"`
	Place    `toml:"-"`
}

// Covered is a path in the finished root.
type Covered struct {
	Destination string `toml:"destination"`
	Place       `toml:"-"`
}

// Protected is a name in a writable tree: Access is "deny", the default, or "ro".
type Protected struct {
	Destination string `toml:"destination"`
	Access      string `toml:"access"`
	Place       `toml:"-"`
}

// An Env is a variable of the environment; without a value it has the caller's.
type Env struct {
	Name  string  `toml:"name"`
	Value *string `toml:"value"`
	Place `toml:"-"`
}

// Network is what the sandbox is connected to.
type Network struct {
	Mode     string   `toml:"mode"`
	Options  []string `toml:"options"`
	Loopback bool     `toml:"loopback"`
	Forward  []string `toml:"forward"`
	Expose   []string `toml:"expose"`
	Place    `toml:"-"`
}

// Landlock is what the sandbox may access.
type Landlock struct {
	Resources     []Resource `toml:"resources"`
	FS            []FSRule   `toml:"fs"`
	Net           []NetRule  `toml:"net"`
	Scopes        []string   `toml:"scopes"`
	ExecClosures  []string   `toml:"exec_closures"`
	IgnoreMissing *bool      `toml:"ignore_missing"`
	BestEffort    *bool      `toml:"best_effort"`
	ABI           *int       `toml:"abi"`
	Log           *string    `toml:"log"`
	Place         `toml:"-"`
}

// A Resource is restricted or, with Unrestrict, not.
type Resource struct {
	Type       string `toml:"type"`
	Unrestrict bool   `toml:"unrestrict"`
	Place      `toml:"-"`
}

// An FSRule allows access by letters, or rights by their names.
type FSRule struct {
	Path   string   `toml:"path"`
	Access string   `toml:"access"`
	Rights []string `toml:"rights"`
	Place  `toml:"-"`
}

// A NetRule allows a port.
type NetRule struct {
	Port   *uint16 `toml:"port"`
	Access string  `toml:"access"`
	Place  `toml:"-"`
}

// Rootdir is a directory that becomes the root.
type Rootdir struct {
	Path     string `toml:"path"`
	Writable bool   `toml:"rw"`
	Place    `toml:"-"`
}

// An IDMap is one line of a map.
type IDMap struct {
	ContainerID *uint32 `toml:"container_id"`
	HostID      *uint32 `toml:"host_id"`
	Count       *uint32 `toml:"count"`
	Place       `toml:"-"`
}

// A Limit is a number, a string such as "16M", or both of Soft and Hard.
type Limit struct {
	Type  string `toml:"type"`
	Value any    `toml:"value"`
	Soft  any    `toml:"soft"`
	Hard  any    `toml:"hard"`
	Place `toml:"-"`
}

// Seccomp is the filter for system calls.
type Seccomp struct {
	Path          *string       `toml:"path"`
	Default       *string       `toml:"default"`
	Architectures []string      `toml:"architectures"`
	Rules         []SeccompRule `toml:"rules"`
	Place         `toml:"-"`
}

// A SeccompRule takes precedence over the profile: the first that matches counts.
type SeccompRule struct {
	Action   string `toml:"action"`
	Syscalls string `toml:"syscalls"`
	Place    `toml:"-"`
}

// Command is what is executed.
type Command struct {
	Cmdline []string `toml:"cmdline"`
	Cwd     *string  `toml:"cwd"`
	Place   `toml:"-"`
}

// Time has the offsets of the clocks of a time namespace, in seconds.
type Time struct {
	Monotonic int64 `toml:"monotonic"`
	Boottime  int64 `toml:"boottime"`
	Place     `toml:"-"`
}

// User says who the payload is.
type User struct {
	Name          *string `toml:"name"`
	Groups        *string `toml:"groups"`
	Caps          *string `toml:"caps"`
	Bounding      *string `toml:"bounding"`
	Inheritable   *string `toml:"inheritable"`
	Ambient       *string `toml:"ambient"`
	Securebits    *string `toml:"securebits"`
	Umask         *string `toml:"umask"`
	AllowNewPrivs bool    `toml:"allow_new_privs"`
	Subids        bool    `toml:"subids"`
	Place         `toml:"-"`
}

// Cgroup are the limits for all processes together. A size is a number or a string.
type Cgroup struct {
	Memory     any      `toml:"memory"`
	MemoryHigh any      `toml:"memory_high"`
	MemoryLow  any      `toml:"memory_low"`
	Swap       any      `toml:"swap"`
	MemorySwap any      `toml:"memory_swap"`
	OOMGroup   bool     `toml:"oom_group"`
	CPUs       any      `toml:"cpus"`
	CPUWeight  any      `toml:"cpu_weight"`
	Cpuset     *string  `toml:"cpuset"`
	Pids       any      `toml:"pids"`
	IO         []string `toml:"io"`
	Hugetlb    []string `toml:"hugetlb"`
	Cgroup     *string  `toml:"cgroup"`
	Place      `toml:"-"`
}

// Report is written when the payload has ended.
type Report struct {
	File  string `toml:"file"`
	Proc  bool   `toml:"proc"`
	Place `toml:"-"`
}

// Process are settings of the payload's process.
type Process struct {
	Init           bool `toml:"init"`
	Setsid         bool `toml:"setsid"`
	Outlive        bool `toml:"outlive"`
	NoNestedUserns bool `toml:"no_nested_userns"`
	Place          `toml:"-"`
}
