package line

// Held is what a line knows of a frame.
type Held = held

// HeldSize is the size of Held in bytes, as it is counted.
const HeldSize = (blockSize - 8) / blockLen
