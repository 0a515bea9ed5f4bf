package access

import "testing"

// TestNewTreeEnded is about a process that has ended, or never was: one above the kernel's
// largest PID.
func TestNewTreeEnded(t *testing.T) {
	if tree, err := newTree(1<<22 + 1); err == nil {
		t.Errorf("newTree = %v, nil; want an error", tree)
	}
}
