// Package stat has the tests with which the command verify compares what was asked with what
// was seen. It is pure: numbers in, numbers out.
//
// Every test has the significance Alpha on its two sides together: a device that does what it
// was asked for is blamed by one test of 100,000. Of the numbers that are needed (Need…), a
// device that is wrong by what they say is found out by 999 tests of 1000.
//
// The tests are exact where the law is: the binomial distribution of shares and the
// hypergeometric one of runs. The others use the normal distribution, widened for the skew of
// sums of few numbers, so that they blame less than they might.
//
//	beta.go      the incomplete beta function, which gives the exact interval of a share
//	share.go     shares of independent events
//	runs.go      how many runs the losses come in
//	chain.go     losses with memory: share, mean run, and how much less such packets say
//	mean.go      means and distributions of measured numbers
package stat

// Alpha is the significance of each test, of both sides together.
const Alpha = 1e-5

// Quantiles of the normal distribution.
const (
	Z      = 4.417173 // of the two-sided significance Alpha
	zPower = 3.090232 // of the power 0.999
)

// Fewest is the least number of events that a mean needs for the normal distribution.
const Fewest = 400
