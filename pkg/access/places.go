package access

import (
	"path"
	"slices"
	"strings"
)

// Places are directories in which rules are not folded.
type Places struct {
	// Homes are home directories, besides /root and those in /home.
	Homes []string
	// Own are directories in which nothing is that the payload has not made, such as a tmpfs
	// of its sandbox: rules for them may be for everything below.
	Own []string
}

func (p Places) own(name string) bool {
	return slices.ContainsFunc(p.Own, func(dir string) bool { return below(name, dir) })
}

// secrets are names, at the end of a path of a file or directory or in front of a slash, of
// what holds keys and passwords.
var secrets = []string{
	".ssh", ".aws", ".azure", ".gnupg", ".kube", ".docker", ".password-store", ".netrc", ".git-credentials", ".pgpass", ".npmrc", ".pypirc",
	".vault-token", ".terraform.d", ".mozilla", ".thunderbird", ".config/gcloud", ".config/gh", ".config/op", ".config/google-chrome",
	".config/chromium", ".local/share/keyrings", ".cargo/credentials.toml", ".cargo/credentials",
}

// inProjects are those of secrets that are often also found where no others are, in the
// directory of a project.
var inProjects = []string{".docker", ".npmrc", ".pypirc"}

// systemSecrets are the same of the system.
var systemSecrets = []string{
	"/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-", "/etc/ssh", "/etc/ssl/private", "/etc/sudoers", "/etc/sudoers.d", "/etc/krb5.keytab",
}

// secret reports whether a name is, or is in, what holds keys and passwords.
func (p Places) secret(name string) bool {
	for _, s := range systemSecrets {
		if name == s || strings.HasPrefix(name, s+"/") {
			return true
		}
	}
	for _, s := range secrets {
		if strings.Contains(name+"/", "/"+s+"/") {
			return true
		}
	}
	return false
}

// home reports whether a directory is a home directory, or has some.
func (p Places) home(name string) bool {
	return name == "/root" || name == "/home" || path.Dir(name) == "/home" ||
		slices.ContainsFunc(p.Homes, func(h string) bool { return h == name || strings.HasPrefix(h, strings.TrimSuffix(name, "/")+"/") })
}

// leadsToSecret reports whether secrets are in directories below this one.
func leadsToSecret(name string) bool {
	for _, s := range secrets {
		for dir := path.Dir(s); dir != "."; dir = path.Dir(dir) {
			if strings.HasSuffix(name, "/"+dir) {
				return true
			}
		}
	}
	return slices.ContainsFunc(systemSecrets, func(s string) bool { return strings.HasPrefix(s, name+"/") })
}

// withheld reports whether a directory is never granted as a whole, by its name: the root
// directory, home directories, what holds keys and passwords, and what those are in.
func (p Places) withheld(name string) bool {
	return name == "/" || p.home(name) || p.secret(name) || leadsToSecret(name)
}

// apart reports whether rules for the entries of a directory remain apart: there, in
// directories of the root directory, and in a procfs.
func (p Places) apart(name string) bool {
	return p.withheld(name) || strings.Count(name, "/") == 1 || strings.HasPrefix(name, "/proc/")
}

// matters reports whether it matters what else is in a directory. It does not in those of
// programs and libraries, which are the same for everybody.
func (p Places) matters(name string) bool {
	for _, dir := range []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/opt", "/nix", "/gnu"} {
		if strings.HasPrefix(name, dir+"/") {
			return false
		}
	}
	return true
}
