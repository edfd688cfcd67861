package api

// PathReplay takes a recording by PUT, in the form of package insane/replay, which insanely replay
// makes of a file. It is set as a whole or not at all, with the policies, the rules and the seed of
// the recording. It ends with the next change of these. The answer is Info.
const PathReplay = "/v1/replay"

// MaxReplay is the most bytes of such a body.
const MaxReplay = 32 << 20

// Replay is a recording whose packets get the verdicts that they had.
type Replay struct {
	Name    string `json:"name"`    // of the recording, as who has sent it calls it
	Flows   uint64 `json:"flows"`   // connections that were recorded
	Packets uint64 `json:"packets"` // packets that were recorded, in both directions
	Met     uint64 `json:"met"`     // of these, those that have come
	Others  uint64 `json:"others"`  // packets that were not recorded; the policy judges them
}
