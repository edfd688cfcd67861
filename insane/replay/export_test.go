package replay

// Fill makes a builder have so many packets, and so many connections of nothing.
func (b *Builder) Fill(packets, connections int) {
	b.packets, b.order = make([]Packet, packets), make([]*conversation, connections)
}
