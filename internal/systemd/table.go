package systemd

import (
	"slices"
	"strings"
)

// A meaning says what becomes of a directive.
type meaning uint8

const (
	// unknown is not a directive of a service.
	unknown meaning = iota
	// said is expressed by stages.
	said
	// lost restricts the service, and no stage can express it.
	lost
	// unsaid changes something else that no stage can express.
	unsaid
	// managed is about when the manager starts and stops the service, and not about what
	// the service is allowed.
	managed
)

// A rule is the meaning of some directives of [Service], and why it is not said.
type rule struct {
	names string
	is    meaning
	why   string
}

// rules has each directive that a service may have: systemd.exec(5),
// systemd.resource-control(5), systemd.kill(5) and systemd.service(5) of systemd 262, and
// names that older versions had.
var rules = [...]rule{
	// Paths.
	{"WorkingDirectory RootDirectory RootEphemeral MountAPIVFS BindLogSockets ProtectProc ProcSubset BindPaths BindReadOnlyPaths", said, ""},
	{"ExecSearchPath", said, ""},
	{"RootImage RootImageOptions RootHash RootHashSignature RootVerity RootImagePolicy RootMStack", lost,
		"hk-mount does not set up disk images: mount it, and use its directory as RootDirectory="},
	{"MountImages MountImagePolicy ExtensionImages ExtensionImagePolicy ExtensionDirectories", unsaid,
		"hk-mount does not set up disk images: mount them, and use BindPaths= or hk-mount --overlay"},
	// Users and capabilities.
	{"User Group DynamicUser SupplementaryGroups SetLoginEnvironment CapabilityBoundingSet AmbientCapabilities NoNewPrivileges SecureBits SELinuxContext", said, ""},
	{"PAMName", unsaid, "hk-setuser opens no session of PAM"},
	{"AppArmorProfile", lost, "aa-exec(1) in front of the command does this"},
	{"SmackProcessLabel", lost, "no stage sets a label of Smack"},
	// Properties of the process.
	{"LimitCPU LimitFSIZE LimitDATA LimitSTACK LimitCORE LimitRSS LimitNOFILE LimitAS LimitNPROC LimitMEMLOCK LimitLOCKS LimitSIGPENDING LimitMSGQUEUE LimitNICE LimitRTPRIO LimitRTTIME", said, ""},
	{"UMask KeyringMode OOMScoreAdjust Nice CPUSchedulingPolicy CPUSchedulingPriority CPUSchedulingResetOnFork CPUAffinity IOSchedulingClass IOSchedulingPriority IgnoreSIGPIPE Personality", said, ""},
	{"CoredumpFilter", unsaid, "written to /proc/self/coredump_filter by the shell, it is inherited"},
	{"TimerSlackNSec", unsaid, "no stage sets it: prctl(2), PR_SET_TIMERSLACK"},
	{"NUMAPolicy NUMAMask", unsaid, "numactl(8) in front of the command does this"},
	{"MemoryKSM MemoryTHP", unsaid, "no stage sets it: prctl(2)"},
	// Sandboxing.
	{"ProtectSystem ProtectHome ReadWritePaths ReadOnlyPaths InaccessiblePaths ExecPaths NoExecPaths TemporaryFileSystem PrivateTmp PrivateDevices PrivateNetwork NetworkNamespacePath PrivateIPC IPCNamespacePath PrivatePIDs PrivateUsers ProtectHostname ProtectClock ProtectKernelTunables ProtectKernelModules ProtectKernelLogs ProtectControlGroups RestrictAddressFamilies RestrictNamespaces LockPersonality MemoryDenyWriteExecute RestrictRealtime RestrictSUIDSGID PrivateMounts MountFlags", said, ""},
	{"SystemCallFilter SystemCallErrorNumber SystemCallArchitectures SystemCallLog", said, ""},
	{"RuntimeDirectory StateDirectory CacheDirectory LogsDirectory ConfigurationDirectory RuntimeDirectoryMode StateDirectoryMode CacheDirectoryMode LogsDirectoryMode ConfigurationDirectoryMode", said, ""},
	{"UserNamespacePath", lost, "hk-unshare --join user=PATH enters it, but the IDs inside are not known here"},
	{"RestrictFileSystems", lost, "it is a BPF program of the security module"},
	{"DelegateNamespaces", unsaid, "with hk-unshare --user, all namespaces of the chain belong to its user namespace"},
	{"PrivateBPF BPFDelegateCommands BPFDelegateMaps BPFDelegatePrograms BPFDelegateAttachments", lost, "hk-mount --fs bpf:bpf:/sys/fs/bpf mounts a new file system, but its delegation is not said"},
	{"LandlockConfig", lost, "hk-landlock has its own flags for rules"},
	{"StateDirectoryQuota CacheDirectoryQuota LogsDirectoryQuota", lost, "setquota(8) and chattr(1) set a quota for a project"},
	{"StateDirectoryAccounting CacheDirectoryAccounting LogsDirectoryAccounting", unsaid, "chattr(1) -p gives a directory a project"},
	{"RuntimeDirectoryPreserve TimeoutCleanSec RemoveIPC", managed, ""},
	// Environment, input and output.
	{"Environment EnvironmentFile PassEnvironment UnsetEnvironment StandardInput StandardOutput StandardError", said, ""},
	{"StandardInputText StandardInputData", unsaid, "a here-document of the shell does this"},
	{"LogLevelMax LogExtraFields LogRateLimitIntervalSec LogRateLimitBurst LogFilterPatterns LogNamespace SyslogIdentifier SyslogFacility SyslogLevel SyslogLevelPrefix", managed, ""},
	{"TTYPath TTYReset TTYVHangup TTYColumns TTYRows TTYVTDisallocate UtmpIdentifier UtmpMode", unsaid, "no stage sets up a terminal"},
	{"LoadCredential LoadCredentialEncrypted ImportCredential SetCredential SetCredentialEncrypted", unsaid, "only the manager provides credentials: systemd-creds(1) decrypts them, and hk-mount --file-from or --ro adds files"},
	// Resources.
	{"CPUQuota CPUWeight AllowedCPUs MemoryMax MemoryHigh MemoryLow MemorySwapMax TasksMax IOReadBandwidthMax IOWriteBandwidthMax IOReadIOPSMax IOWriteIOPSMax RuntimeMaxSec", said, ""},
	{"CPUQuotaPeriodSec", unsaid, "hk-limit --cpus has periods of 100 ms"},
	{"AllowedMemoryNodes MemoryZSwapMax MemoryZSwapWriteback", lost, "hk-limit has no such limit"},
	{"MemoryMin IOWeight IODeviceWeight IODeviceLatencyTargetSec", unsaid, "hk-limit has no such setting"},
	{"StartupAllowedCPUs StartupAllowedMemoryNodes StartupCPUWeight StartupIOWeight StartupMemoryHigh StartupMemoryLow StartupMemoryMax StartupMemorySwapMax StartupMemoryZSwapMax DefaultMemoryMin DefaultMemoryLow DefaultStartupMemoryLow", managed, ""},
	{"DeviceAllow DevicePolicy", lost, "it is a BPF program of the control group: hk-mount --dev leaves out all other devices"},
	{"IPAddressAllow IPAddressDeny IPIngressFilterPath IPEgressFilterPath BPFProgram", lost, "it is a BPF program of the control group: hk-unshare --net leaves no network, and hk-net --pasta can filter it"},
	{"SocketBindAllow SocketBindDeny", lost, "it is a BPF program of the control group: hk-landlock --tcp-bind allows ports"},
	{"RestrictNetworkInterfaces BindNetworkInterface", lost, "it is a BPF program of the control group: hk-unshare --net has only lo"},
	{"NFTSet", unsaid, "only the manager adds its IDs to sets of nftables"},
	{"CPUSetPartition DisableControllers", unsaid, "hk-limit has no such setting"},
	{"CPUAccounting MemoryAccounting IOAccounting TasksAccounting IPAccounting Slice Delegate DelegateSubgroup ManagedOOMSwap ManagedOOMMemoryPressure ManagedOOMMemoryPressureLimit ManagedOOMMemoryPressureDurationSec ManagedOOMPreference MemoryPressureThresholdSec MemoryPressureWatch CPUPressureThresholdSec CPUPressureWatch IOPressureThresholdSec IOPressureWatch OOMRules CoredumpReceive", managed, ""},
	// The life of the service.
	{"ExecStart KillSignal TimeoutStopSec TimeoutSec", said, ""},
	{"ExecStartPre ExecCondition", unsaid, "a command of its own, which runs before this one"},
	{"ExecStartPost ExecReload ExecReloadPost ExecStop ExecStopPost", unsaid, "a command of its own, which runs later"},
	{"Type NotifyAccess WatchdogSec", said, ""},
	{"ExitType RemainAfterExit GuessMainPID PIDFile BusName RestartSec RestartSteps RestartMaxDelaySec RestartRandomizedDelaySec Restart RestartMode RestartPreventExitStatus RestartForceExitStatus SuccessExitStatus TimeoutStartSec TimeoutAbortSec TimeoutStartFailureMode TimeoutStopFailureMode RuntimeRandomizedExtraSec RootDirectoryStartOnly PermissionsStartOnly SysVStartPriority FileDescriptorStoreMax FileDescriptorStorePreserve LUOSession ReloadSignal RefreshOnReload OOMPolicy StartLimitInterval StartLimitBurst StartLimitAction FailureAction RebootArgument", managed, ""},
	{"KillMode RestartKillSignal SendSIGHUP SendSIGKILL FinalKillSignal WatchdogSignal", managed, ""},
	{"Sockets NonBlocking USBFunctionDescriptors USBFunctionStrings OpenFile", unsaid, "the chain closes all descriptors above 2: hk-unshare --close-fds=N keeps one"},
	// Of older versions.
	{"Capabilities CPUShares StartupCPUShares MemoryLimit NetClass BlockIOAccounting BlockIOWeight StartupBlockIOWeight BlockIODeviceWeight BlockIOReadBandwidth BlockIOWriteBandwidth", lost, "systemd 262 ignores this"},
}

// lists are the directives that may be given more than once. An empty value forgets all
// that came before; of any other directive the last value counts.
const lists = " BindPaths BindReadOnlyPaths SupplementaryGroups CapabilityBoundingSet AmbientCapabilities SecureBits " +
	"ReadWritePaths ReadOnlyPaths InaccessiblePaths ExecPaths NoExecPaths TemporaryFileSystem " +
	"RestrictAddressFamilies RestrictNamespaces SystemCallFilter SystemCallArchitectures SystemCallLog " +
	"RuntimeDirectory StateDirectory CacheDirectory LogsDirectory ConfigurationDirectory CPUAffinity " +
	"Environment EnvironmentFile PassEnvironment UnsetEnvironment ExecStart ExecSearchPath AllowedCPUs " +
	"IOReadBandwidthMax IOWriteBandwidthMax IOReadIOPSMax IOWriteIOPSMax "

// meaningOf returns the meaning of a directive, and why it is not said.
func meaningOf(name string) (meaning, string) {
	for _, r := range rules {
		if slices.Contains(strings.Fields(r.names), name) {
			return r.is, r.why
		}
	}
	return unknown, ""
}

// current is the name by which systemd 262 has a directive.
func current(name string) string {
	switch name {
	case "ReadWriteDirectories", "ReadOnlyDirectories", "InaccessibleDirectories":
		return strings.TrimSuffix(name, "Directories") + "Paths"
	}
	return name
}
