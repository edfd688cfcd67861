package line

// blockLen is how many frames a block has room for.
const blockLen = 256

// block is memory for frames that wait. The collector of garbage looks at the first word only.
type block struct {
	next  *block
	items [blockLen]held
}

// blockSize is the size of a block in bytes.
const blockSize = 8 + blockLen*104

// ring is a queue of frames. It takes memory block by block, so that nothing is moved when it
// grows, and keeps the blocks that it does not need until it is empty.
type ring struct {
	memory      *Memory
	first, last *block
	from, to    int // of first and last
	n           int
	spare       *block
	spares      int
}

// push returns room for a frame behind the others.
func (r *ring) push() *held {
	if r.last == nil || r.to == blockLen {
		b := r.take()
		if r.last == nil {
			r.first = b
		} else {
			r.last.next = b
		}
		r.last, r.to = b, 0
	}
	r.n++
	r.to++
	return &r.last.items[r.to-1]
}

// front is the frame that was pushed first, back the one that was pushed last.
func (r *ring) front() *held { return &r.first.items[r.from] }
func (r *ring) back() *held  { return &r.last.items[r.to-1] }

// pop removes the front.
func (r *ring) pop() {
	r.from++
	if r.n--; r.n == 0 {
		r.from, r.to = 0, 0
		r.forget()
	} else if r.from == blockLen {
		b := r.first
		r.first, r.from = b.next, 0
		r.spare, b.next = b, r.spare
		r.spares++
	}
}

// each calls f for all frames in order. It may change them.
func (r *ring) each(f func(*held)) {
	b, at := r.first, r.from
	for range r.n {
		if at == blockLen {
			b, at = b.next, 0
		}
		f(&b.items[at])
		at++
	}
}

// take returns a block.
func (r *ring) take() *block {
	if b := r.spare; b != nil {
		r.spare, b.next = b.next, nil
		r.spares--
		return b
	}
	r.memory.charge(blockSize)
	return new(block)
}

// forget gives back the spare blocks of an empty ring, but for a few.
func (r *ring) forget() {
	const keep = 64
	for ; r.spares > keep; r.spares-- {
		r.spare = r.spare.next
		r.memory.charge(-blockSize)
	}
}
