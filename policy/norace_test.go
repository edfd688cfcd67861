//go:build !race

package policy

const raceDivisor = 1
