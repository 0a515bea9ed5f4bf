//go:build race

package chain

// raceDetector is set if calls are instrumented, also that by which a child begins: it
// would write to the memory of the detector, which is that of this program.
const raceDetector = true
