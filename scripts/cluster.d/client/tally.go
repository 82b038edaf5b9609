package main

import (
	"fmt"
	"math/rand"
	"sort"
	"strings"
	"sync"
	"time"
)

// How long a client repeats a request that failed.
const patience = 60 * time.Second

// What became of the requests.
type tally struct {
	mutex   sync.Mutex
	asked   int
	reasons map[string]int
	first   map[string]string // an example of each reason
	givenUp []string
	longest time.Duration // until the repetition of a failed request succeeded
}

func newTally() *tally { return &tally{reasons: map[string]int{}, first: map[string]string{}} }

func (t *tally) failed(what string, err error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	reason := reasonOf(err)
	t.reasons[reason]++
	if t.first[reason] == "" {
		t.first[reason] = what + ": " + firstLine(err.Error())
	}
}

// persist repeats until it succeeds, as clients do, and gives up when its patience is at its end.
func (t *tally) persist(what string, attempt func() error) bool {
	began := time.Now()
	for tries := 0; ; tries++ {
		err := attempt()
		t.mutex.Lock()
		t.asked++
		t.mutex.Unlock()
		if err == nil {
			if tries > 0 {
				t.mutex.Lock()
				t.longest = max(t.longest, time.Since(began))
				t.mutex.Unlock()
			}
			return true
		}
		t.failed(what, err)
		if time.Since(began) > patience {
			t.mutex.Lock()
			t.givenUp = append(t.givenUp, what+": "+firstLine(err.Error()))
			t.mutex.Unlock()
			return false
		}
		time.Sleep(time.Duration(50+rand.Intn(100)) * time.Millisecond * time.Duration(min(tries+1, 5)))
	}
}

// failures are the requests that failed, whatever became of their repetition.
func (t *tally) failures() int {
	sum := 0
	for _, count := range t.reasons {
		sum += count
	}
	return sum
}

func (t *tally) print() {
	var parts []string
	for reason, count := range t.reasons {
		parts = append(parts, fmt.Sprintf("%s: %d", reason, count))
	}
	sort.Strings(parts)
	fmt.Printf("  %d requests, %d failed (%s), %d never succeeded; the longest repetition took %.1f s\n",
		t.asked, t.failures(), strings.Join(parts, ", "), len(t.givenUp), t.longest.Seconds())
	for _, example := range t.first {
		fmt.Printf("    such as %s\n", example)
	}
	for _, lost := range t.givenUp[:min(len(t.givenUp), 5)] {
		fmt.Printf("    NEVER SUCCEEDED %s\n", lost)
	}
}
