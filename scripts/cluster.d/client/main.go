// The clients of scripts/cluster: uploads whose chunks reach different nodes, pushes and pulls that outlast failures, and the time until
// each node acts on a change.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// What the script says of its cluster, as JSON in $CLUSTER.
type settings struct {
	Balancer string
	Nodes    map[string]string // name -> URL
	CA       string            // PEM file
	User     string
	Password string
	Binary   string
	Configs  map[string]string // name -> configuration file, for commands on a node
}

func main() {
	var given settings
	if err := json.Unmarshal([]byte(os.Getenv("CLUSTER")), &given); err != nil {
		fail("$CLUSTER: %v", err)
	}
	commands := map[string]func(*cluster, []string) bool{
		"uploads": uploads, "load": load, "ask": ask, "until": until, "revoke": revoke, "seed": seed,
	}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fail("client uploads|load|ask|until|revoke|seed")
	}
	if !commands[os.Args[1]](newCluster(given), os.Args[2:]) {
		os.Exit(1)
	}
}

func fail(format string, values ...any) {
	fmt.Fprintf(os.Stderr, "client: "+format+"\n", values...)
	os.Exit(2)
}

// firstLine keeps messages short.
func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line[:min(len(line), 200)]
}
