package pods

import (
	"errors"
	"fmt"
	"net/http"
)

// object has the members of a pod, and of a list, that are looked at.
type object struct {
	Metadata struct {
		Namespace       string            `json:"namespace"`
		Name            string            `json:"name"`
		UID             string            `json:"uid"`
		ResourceVersion string            `json:"resourceVersion"`
		Annotations     map[string]string `json:"annotations"`
	} `json:"metadata"`
	Status struct {
		Phase string `json:"phase"`
		PodIP string `json:"podIP"`
	} `json:"status"`
}

// pod returns what is known of the pod.
func (o *object) pod() Pod {
	m, s := &o.Metadata, &o.Status
	ended := s.Phase == "Succeeded" || s.Phase == "Failed"
	return Pod{Namespace: m.Namespace, Name: m.Name, UID: m.UID, Annotations: m.Annotations, Runs: s.PodIP != "" && !ended}
}

// status is what the API server says instead of what it was asked for.
type status struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (s *status) Error() string {
	return fmt.Sprintf("the API server says %d %s: %.200q", s.Code, http.StatusText(s.Code), s.Message)
}

// expired reports whether the API server no longer knows what has happened since the version that it
// was asked about.
func expired(err error) bool {
	s, ok := errors.AsType[*status](err)
	return ok && s.Code == http.StatusGone
}
