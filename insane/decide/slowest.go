package decide

import "github.com/seed-39a139a1/insane/insanely/api"

// Slowest returns the path of the whole device, which is the slower path of the directions
// in use, and the reason why that path is not faster; both as a user is shown them.
func Slowest(i api.Info) (path, reason string) {
	switch {
	case i.TX.Path != api.PathKernel && i.RX.Path != api.PathKernel && i.Receive != api.ReceiveNone && i.TX.PathReason != i.RX.PathReason:
		return api.PathRelay, "tx: " + i.TX.PathReason + "; rx: " + i.RX.PathReason
	case i.TX.Path != api.PathKernel && i.RX.Path == api.PathKernel:
		return api.PathRelay, "tx: " + i.TX.PathReason
	case i.TX.Path != api.PathKernel:
		return api.PathRelay, i.TX.PathReason
	case i.Receive != api.ReceiveNone && i.RX.Path != api.PathKernel:
		return api.PathRelay, "rx: " + i.RX.PathReason
	}
	return api.PathKernel, ""
}
