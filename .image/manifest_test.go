package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"reflect"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/yaml"
	sigs "sigs.k8s.io/yaml"
)

const manifest = "../examples/kubernetes/insane.yaml"

// documents returns the parts of a file of YAML.
func documents(t *testing.T, path string) (list [][]byte) {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	for r := yaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader(text))); ; {
		one := make([]byte, len(text))
		n, err := r.Read(one)
		if errors.Is(err, io.EOF) {
			return list
		}
		must(t, err)
		list = append(list, one[:n])
	}
}

// The manifest has no member that Kubernetes does not know, and what belongs together does.
func TestManifest(t *testing.T) {
	list := documents(t, manifest)
	if len(list) != 5 {
		t.Fatalf("%d documents", len(list))
	}
	var namespace corev1.Namespace
	var account corev1.ServiceAccount
	var role rbacv1.ClusterRole
	var binding rbacv1.ClusterRoleBinding
	var set appsv1.DaemonSet
	for i, what := range []any{&namespace, &account, &role, &binding, &set} {
		must(t, sigs.UnmarshalStrict(list[i], what))
	}
	if namespace.Kind != "Namespace" || set.Kind != "DaemonSet" || set.APIVersion != "apps/v1" || set.Namespace != namespace.Name {
		t.Errorf("%s %s %s in %s", namespace.Kind, set.Kind, set.APIVersion, set.Namespace)
	}
	selector, err := metav1.LabelSelectorAsSelector(set.Spec.Selector)
	must(t, err)
	if !selector.Matches(labels.Set(set.Spec.Template.Labels)) || selector.Empty() {
		t.Errorf("%v does not select %v", selector, set.Spec.Template.Labels)
	}
	checkPod(t, set.Spec.Template.Spec)
	checkRights(t, account, role, binding)
	if pod := set.Spec.Template.Spec; account.Namespace != set.Namespace || pod.ServiceAccountName != account.Name {
		t.Errorf("the account is %s in %s, and the pods have %s", account.Name, account.Namespace, pod.ServiceAccountName)
	}
	bad := bytes.Replace(list[4], []byte("hostNetwork:"), []byte("hostNetworks:"), 1)
	if sigs.UnmarshalStrict(bad, &set) == nil {
		t.Error("an unknown member is not refused")
	}
}

// checkRights fails unless the account may list and watch pods, and nothing else.
func checkRights(t *testing.T, account corev1.ServiceAccount, role rbacv1.ClusterRole, binding rbacv1.ClusterRoleBinding) {
	t.Helper()
	const group, version = rbacv1.GroupName, rbacv1.GroupName + "/v1"
	want := []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list", "watch"}}}
	if role.Kind != "ClusterRole" || role.APIVersion != version || role.AggregationRule != nil || !reflect.DeepEqual(role.Rules, want) {
		t.Errorf("%s %s: %+v", role.Kind, role.APIVersion, role.Rules)
	}
	to := []rbacv1.Subject{{Kind: "ServiceAccount", Name: account.Name, Namespace: account.Namespace}}
	if account.Kind != "ServiceAccount" || account.APIVersion != "v1" || !reflect.DeepEqual(binding.Subjects, to) {
		t.Errorf("%s %s: %+v", account.Kind, account.Name, binding.Subjects)
	}
	if ref := (rbacv1.RoleRef{APIGroup: group, Kind: role.Kind, Name: role.Name}); binding.Kind != "ClusterRoleBinding" || binding.APIVersion != version || binding.RoleRef != ref {
		t.Errorf("%s %s: %+v", binding.Kind, binding.APIVersion, binding.RoleRef)
	}
}

// checkPod fails unless the pod has no right that it does not need, and each of its volumes is used.
func checkPod(t *testing.T, pod corev1.PodSpec) {
	t.Helper()
	volumes := make(map[string]bool)
	for _, v := range pod.Volumes {
		volumes[v.Name] = v.HostPath != nil
	}
	for _, c := range pod.Containers {
		s := c.SecurityContext
		if s == nil || s.Privileged != nil || !*s.ReadOnlyRootFilesystem || *s.AllowPrivilegeEscalation || len(s.Capabilities.Add) > 0 || s.Capabilities.Drop[0] != "ALL" {
			t.Errorf("%s: %+v", c.Name, s)
		}
		env := []corev1.EnvVar{{Name: "NODE_NAME", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "spec.nodeName"}}}}
		if !reflect.DeepEqual(c.Env, env) {
			t.Errorf("the environment is %+v", c.Env)
		}
		for _, m := range c.VolumeMounts {
			if !volumes[m.Name] {
				t.Errorf("no volume %s", m.Name)
			}
			delete(volumes, m.Name)
		}
	}
	if len(volumes) > 0 || !*pod.AutomountServiceAccountToken || len(pod.Containers) != 1 {
		t.Errorf("volumes that nobody uses: %v", volumes)
	}
}

// service is what the example says of a service, and all that it may say.
type service struct {
	Image       string   `json:"image"`
	Command     []string `json:"command"`
	NetworkMode string   `json:"network_mode"`
	DependsOn   []string `json:"depends_on"`
	Devices     []string `json:"devices"`
	CapDrop     []string `json:"cap_drop"`
	CapAdd      []string `json:"cap_add"`
	SecurityOpt []string `json:"security_opt"`
	ReadOnly    bool     `json:"read_only"`
	Tmpfs       []string `json:"tmpfs"`
}

// The compose file says nothing that compose does not know, and its services know each other.
func TestCompose(t *testing.T) {
	text, err := os.ReadFile("../examples/compose/compose.yaml")
	must(t, err)
	var file struct {
		Services map[string]service `json:"services"`
	}
	must(t, sigs.UnmarshalStrict(text, &file))
	faults := file.Services["faults"]
	for _, name := range faults.DependsOn {
		if file.Services[name].Image == "" {
			t.Errorf("no service %s", name)
		}
	}
	if faults.NetworkMode != "service:client" || !faults.ReadOnly || len(faults.CapAdd) != 3 || len(file.Services) != 3 {
		t.Errorf("%+v", faults)
	}
}
