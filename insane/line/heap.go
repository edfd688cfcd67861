package line

import "github.com/seed-39a139a1/insane/policy"

// heap has frames that wait out of order: the first to leave is in front of the others. Each
// node has four children, which lie side by side.
type heap struct {
	memory *Memory
	nodes  []node
	blocks []*block
	free   []uint32 // places in the blocks that are not used
}

// node is where a frame is: item i is that of the blocks.
type node struct {
	due   policy.Time
	order uint64
	item  uint32
}

// nodeSize is how many bytes of memory a frame needs beside its block.
const nodeSize = 32

func (a *node) before(b *node) bool { return a.due < b.due || a.due == b.due && a.order < b.order }

func (h *heap) len() int { return len(h.nodes) }

func (h *heap) item(i uint32) *held { return &h.blocks[i/blockLen].items[i%blockLen] }

// front is the frame that leaves first.
func (h *heap) front() *held { return h.item(h.nodes[0].item) }

// push adds a frame.
func (h *heap) push(in *held) {
	if len(h.free) == 0 {
		h.grow()
	}
	i := h.free[len(h.free)-1]
	h.free = h.free[:len(h.free)-1]
	*h.item(i) = *in
	h.nodes = append(h.nodes, node{in.due, in.order, i})
	h.up(len(h.nodes) - 1)
}

// grow makes room for more frames.
func (h *heap) grow() {
	h.memory.charge(blockSize + blockLen*nodeSize)
	first := uint32(len(h.blocks)) * blockLen
	h.blocks = append(h.blocks, new(block))
	for i := uint32(blockLen); i > 0; i-- {
		h.free = append(h.free, first+i-1)
	}
}

// pop removes the front.
func (h *heap) pop() {
	h.free = append(h.free, h.nodes[0].item)
	end := len(h.nodes) - 1
	h.nodes[0] = h.nodes[end]
	h.nodes = h.nodes[:end]
	if end > 0 {
		h.down(0)
	} else if keep := 16; len(h.blocks) > keep {
		h.memory.charge(-len(h.blocks) * (blockSize + blockLen*nodeSize))
		*h = heap{memory: h.memory}
	}
}

// up moves node i to the front as far as it belongs.
func (h *heap) up(i int) {
	n := h.nodes[i]
	for i > 0 {
		parent := (i - 1) / 4
		if !n.before(&h.nodes[parent]) {
			break
		}
		h.nodes[i] = h.nodes[parent]
		i = parent
	}
	h.nodes[i] = n
}

// down moves node i to the back as far as it belongs.
func (h *heap) down(i int) {
	n := h.nodes[i]
	for {
		first := 4*i + 1
		if first >= len(h.nodes) {
			break
		}
		least := first
		for c := first + 1; c < min(first+4, len(h.nodes)); c++ {
			if h.nodes[c].before(&h.nodes[least]) {
				least = c
			}
		}
		if !h.nodes[least].before(&n) {
			break
		}
		h.nodes[i] = h.nodes[least]
		i = least
	}
	h.nodes[i] = n
}

// each calls f for all frames, and puts them in order again after that.
func (h *heap) each(f func(*held)) {
	for i := range h.nodes {
		n := &h.nodes[i]
		in := h.item(n.item)
		f(in)
		n.due = in.due
	}
	for i := (len(h.nodes) - 2) / 4; i >= 0 && len(h.nodes) > 1; i-- {
		h.down(i)
	}
}
