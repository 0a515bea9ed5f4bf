package chain

import "testing"

func TestMeant(t *testing.T) {
	for word, want := range map[string]string{
		"hk-mont": "hk-mount", "hk-umshare": "hk-unshare", "hk-limits": "hk-limit", "hk-lanlok": "hk-landlock", "hkmount": "hk-mount",
		"hk-mount": "", "hk-nothing": "", "mount": "", "hk": "", "": "", "hk-nett": "hk-net",
	} {
		if got := meant(word); got != want {
			t.Errorf("meant(%q) = %q; want %q", word, got, want)
		}
	}
}
