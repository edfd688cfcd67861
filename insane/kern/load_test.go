package kern

import "testing"

func TestLoad(t *testing.T) {
	r, err := OpenReceive("insane")
	if err != nil {
		t.Fatalf("%+v", err)
	}
	t.Log(r.objects.ReceiveAuto.VerifierLog)
	i, _ := r.objects.ReceiveAuto.Info()
	n, _ := i.JitedSize()
	t.Log(n)
	r.Close()
}
