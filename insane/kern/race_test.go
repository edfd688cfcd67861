//go:build race

package kern

// raceDivisor divides the number of rounds under the race detector, which makes each
// round ten times as slow and needs few of them.
const raceDivisor = 10
