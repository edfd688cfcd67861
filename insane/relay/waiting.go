package relay

import "container/heap"

// waiting has the classes whose lines have something to do, the soonest first.
type waiting []*class

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (w waiting) Len() int           { return len(w) }
func (w waiting) Less(i, j int) bool { return w[i].at < w[j].at }

func (w waiting) Swap(i, j int) {
	w[i], w[j] = w[j], w[i]
	w[i].place, w[j].place = i, j
}

func (w *waiting) Push(c any) {
	c.(*class).place = len(*w)
	*w = append(*w, c.(*class))
}

func (w *waiting) Pop() any {
	last := len(*w) - 1
	c := (*w)[last]
	(*w)[last] = nil
	*w = (*w)[:last]
	c.place = absent
	return c
}

// absent is the place of a class that is not there.
const absent = -1

// schedule asks the line of a class when something leaves it next, and puts the class in its
// place.
func (w *waiting) schedule(c *class) {
	at, some := c.line.Next()
	c.at = at
	switch {
	case some && c.place == absent:
		heap.Push(w, c)
	case some:
		heap.Fix(w, c.place)
	case c.place != absent:
		heap.Remove(w, c.place)
	}
}

// postpone puts a class behind all others.
func (w *waiting) postpone(c *class) {
	c.at = 1<<64 - 1
	heap.Fix(w, c.place)
}
