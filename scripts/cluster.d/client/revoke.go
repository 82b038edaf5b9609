package main

import (
	"errors"
	"fmt"
	"os/exec"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	bound     = time.Second // within which every node acts
	acting    = 3           // clients, each with a user and a repository of its own
	userWords = "a password of some length"
)

// The times from the end of a command on one node until the last node acts on it.
type delays struct {
	mutex sync.Mutex
	of    map[string][]time.Duration
}

func (d *delays) add(what string, delay time.Duration) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.of[what] = append(d.of[what], delay)
}

// revoke ROUNDS grants, revokes, disables, enables and removes, each on one node, and asks every node until it acts on it.
func revoke(c *cluster, arguments []string) bool {
	rounds, err := strconv.Atoi(arguments[0])
	if err != nil {
		fail("%v", err)
	}
	measured := &delays{of: map[string][]time.Duration{}}
	var group sync.WaitGroup
	failures := make(chan error, acting)
	for client := range acting {
		group.Go(func() {
			share := rounds / acting
			if client < rounds%acting {
				share++
			}
			if err := c.actor(client).rounds(share, measured); err != nil {
				failures <- err
			}
		})
	}
	group.Wait()
	close(failures)
	good := true
	for err := range failures {
		good = false
		fmt.Printf("    FAILED %s\n", firstLine(err.Error()))
	}
	return measured.print(rounds) && good
}

func (d *delays) print(rounds int) bool {
	good := true
	for _, what := range []string{"grant", "revoke", "disable", "enable", "remove"} {
		times := d.of[what]
		if len(times) == 0 {
			return false
		}
		sort.Slice(times, func(a, b int) bool { return times[a] < times[b] })
		late := 0
		for _, delay := range times {
			if delay > bound {
				late++
			}
		}
		good = good && late == 0 && len(times) == rounds
		fmt.Printf("  %-8s %d times: every node within p50 %d ms, p100 %d ms; %d above %d ms\n", what, len(times),
			times[len(times)/2].Milliseconds(), times[len(times)-1].Milliseconds(), late, bound.Milliseconds())
	}
	return good
}

// An administrator with a user to do it to: the user pulls `repository`, which the administrator pushed.
type actor struct {
	*cluster            // as the administrator
	user       *cluster // as the user
	name       string
	repository string
	image      image
	turn       int
}

func (c *cluster) actor(number int) *actor {
	name := fmt.Sprintf("user-%d", number)
	given := c.settings
	given.User, given.Password = name, userWords
	user := newCluster(given)
	return &actor{c, user, name, fmt.Sprintf("cluster/acts-%d", number), makeImage(int64(number), 2048), number}
}

// command runs on the next node's configuration.
func (a *actor) command(input string, arguments ...string) error {
	a.turn++
	names := make([]string, 0, len(a.Configs))
	for name := range a.Configs {
		names = append(names, name)
	}
	sort.Strings(names)
	config := a.Configs[names[a.turn%len(names)]]
	command := exec.Command(a.Binary, append([]string{"--config", config}, arguments...)...)
	command.Stdin = strings.NewReader(input)
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("portcullis %s: %w: %s", strings.Join(arguments, " "), err, output)
	}
	return nil
}

func (a *actor) rounds(count int, measured *delays) error {
	if err := a.command(userWords, "user", "add", a.name, "--password-stdin"); err != nil {
		return err
	}
	for range count {
		if err := a.round(measured); err != nil {
			return err
		}
	}
	return nil
}

func (a *actor) round(measured *delays) error {
	if err := a.push(); err != nil {
		return err
	}
	pattern := []string{"--to", "user:" + a.name, "--on", a.repository}
	steps := []struct {
		what    string
		command []string
		allowed bool
	}{
		{"grant", append([]string{"grant", "add", "--allow", "pull"}, pattern...), true},
		{"disable", []string{"user", "disable", a.name}, false},
		{"enable", []string{"user", "enable", a.name}, true},
		{"revoke", append([]string{"grant", "remove"}, pattern...), false},
	}
	for _, step := range steps {
		if err := a.command("", step.command...); err != nil {
			return err
		}
		delay, err := a.everyNode(step.what, a.user, step.allowed)
		if err != nil {
			return err
		}
		measured.add(step.what, delay)
	}
	if err := a.command("", "repo", "remove", a.repository); err != nil {
		return err
	}
	delay, err := a.everyNode("remove", a.cluster, false)
	measured.add("remove", delay)
	return err
}

func (a *actor) push() error {
	total := newTally()
	for _, blob := range a.image.blobs {
		if !a.pushBlob(a.repository, blob, total) {
			return errors.New(strings.Join(total.givenUp, ", "))
		}
	}
	return a.tag(a.Balancer, a.repository, "v1", a.image.manifest)
}

// everyNode asks all nodes side by side until each allows or refuses, and gives the time of the last.
func (a *actor) everyNode(what string, as *cluster, allowed bool) (time.Duration, error) {
	began := time.Now()
	delays := make(chan time.Duration, len(a.nodes))
	for _, node := range a.nodes {
		go func() {
			for as.allows(node, a.repository) != allowed && time.Since(began) < 10*time.Second {
				time.Sleep(10 * time.Millisecond)
			}
			delays <- time.Since(began)
		}()
	}
	var last time.Duration
	for range a.nodes {
		last = max(last, <-delays)
	}
	if last >= 10*time.Second {
		return last, fmt.Errorf("%s: a node did not act on it within 10 s", what)
	}
	return last, nil
}

// allows asks with name and password for the manifest.
func (c *cluster) allows(node, repository string) bool {
	_, err := c.send(node, request{method: "GET", url: "/v2/" + repository + "/manifests/v1", header: map[string]string{"Accept": manifestType}, wanted: 200})
	return err == nil
}
