// Reads Kubernetes manifests with the types of Kubernetes itself, strictly: an unknown or misplaced key is an error. Prints the configuration
// of Portcullis that a ConfigMap has.
package main

import (
	"fmt"
	"os"
	"strings"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"
)

func main() {
	text, err := os.ReadFile(os.Args[1])
	check(err)
	for _, document := range strings.Split(string(text), "\n---\n") {
		var head struct{ Kind string }
		check(yaml.Unmarshal([]byte(document), &head))
		kinds := map[string]any{
			"ConfigMap": &core.ConfigMap{}, "Service": &core.Service{}, "PodDisruptionBudget": &policy.PodDisruptionBudget{},
			"Deployment": &apps.Deployment{}, "StatefulSet": &apps.StatefulSet{},
		}
		if kinds[head.Kind] == nil {
			check(fmt.Errorf("unknown kind %q", head.Kind))
		}
		check(yaml.UnmarshalStrict([]byte(document), kinds[head.Kind]))
		if configuration, ok := kinds[head.Kind].(*core.ConfigMap); ok && head.Kind == "ConfigMap" {
			fmt.Print(configuration.Data["portcullis.toml"])
		}
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}
