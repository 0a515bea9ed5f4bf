//go:build !race

package chain

// raceDetector is set if calls are instrumented.
const raceDetector = false
