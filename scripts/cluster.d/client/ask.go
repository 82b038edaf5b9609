package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strconv"
	"sync"
	"time"
)

// The image that `seed` pushes, and that `ask` and `until` ask for.
var known = makeImage(20261126, 300<<10)

const knownRepository = "cluster/known"

// seed pushes the image that the other commands ask for.
func seed(c *cluster, _ []string) bool {
	total := newTally()
	for _, blob := range known.blobs {
		if !c.pushBlob(knownRepository, blob, total) {
			return false
		}
	}
	return total.persist("manifest", func() error { return c.tag(c.Balancer, knownRepository, "v1", known.manifest) })
}

// once asks for one thing: a manifest by its tag, a layer, or a whole push of something new.
func (c *cluster) once(base, what string) error {
	switch what {
	case "manifest":
		_, err := c.get(base, knownRepository, "manifests", "v1", digestOf(known.manifest))
		return err
	case "blob":
		digest := digestOf(known.blobs[1])
		_, err := c.get(base, knownRepository, "blobs", digest, digest)
		return err
	default:
		blob := content(time.Now().UnixNano(), 4096)
		location, err := c.begin(base, knownRepository)
		if err != nil {
			return err
		}
		if location, err = c.chunk(base, knownRepository, location, 0, blob); err != nil {
			return err
		}
		return c.finish(base, knownRepository, location, digestOf(blob))
	}
}

// ask WHAT SECONDS asks each node in turn from two clients, and prints counts and percentiles as JSON. A token is fetched before.
func ask(c *cluster, arguments []string) bool {
	what := arguments[0]
	seconds, err := strconv.ParseFloat(arguments[1], 64)
	if err != nil {
		fail("%v", err)
	}
	_, _ = c.token(c.nodes[0], scopeOf(knownRepository))
	var mutex sync.Mutex
	var group sync.WaitGroup
	var times []float64
	outcomes, end := map[string]int{}, time.Now().Add(time.Duration(seconds*float64(time.Second)))
	for client := range 2 {
		group.Go(func() {
			for turn := client; time.Now().Before(end); turn++ {
				began := time.Now()
				err := c.once(c.nodes[turn%len(c.nodes)], what)
				outcome := "ok"
				if err != nil {
					outcome = reasonOf(err)
				}
				mutex.Lock()
				outcomes[outcome]++
				times = append(times, float64(time.Since(began).Microseconds())/1000)
				mutex.Unlock()
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	group.Wait()
	sort.Float64s(times)
	part := func(share float64) float64 { return times[int(share*float64(len(times)-1))] }
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"what": what, "asked": len(times), "outcomes": outcomes, "p50": part(0.5), "p99": part(0.99), "longest": part(1),
	}) == nil
}

// until WHAT SECONDS waits until every node does it three times in a row, and prints the milliseconds.
func until(c *cluster, arguments []string) bool {
	seconds, err := strconv.Atoi(arguments[1])
	if err != nil {
		fail("%v", err)
	}
	began := time.Now()
	for _, node := range c.nodes {
		for good := 0; good < 3; {
			if err := c.once(node, arguments[0]); err == nil {
				good++
			} else if good = 0; time.Since(began) > time.Duration(seconds)*time.Second {
				fmt.Fprintf(os.Stderr, "    %s of %s: %s\n", arguments[0], node, firstLine(err.Error()))
				return false
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	fmt.Println(time.Since(began).Milliseconds())
	return true
}
