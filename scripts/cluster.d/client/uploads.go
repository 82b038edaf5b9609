package main

import (
	"fmt"
	"math/rand"
	"strconv"
	"sync"
	"time"
)

const uploaders = 8

// uploads sends every request of each upload to another node, chosen at random, and reads the blob back from yet another. No request is
// repeated: none may fail. One in twenty has chunks that fill the parts of a multipart upload.
func uploads(c *cluster, arguments []string) bool {
	count, err := strconv.Atoi(arguments[0])
	if err != nil {
		fail("%s is not a number", arguments[0])
	}
	began, sent, failed := time.Now(), 0, 0
	var mutex sync.Mutex
	var group sync.WaitGroup
	queue := make(chan int64)
	for range uploaders {
		group.Go(func() {
			for number := range queue {
				size, err := c.scattered(number)
				mutex.Lock()
				sent += size
				if err != nil {
					failed++
					if failed <= 5 {
						fmt.Printf("    FAILED upload %d: %s\n", number, firstLine(err.Error()))
					}
				}
				mutex.Unlock()
			}
		})
	}
	for number := range count {
		queue <- int64(number)
	}
	close(queue)
	group.Wait()
	fmt.Printf("  %d uploads over %d nodes, %d MiB: %d failed, %.1f s\n", count, len(c.nodes), sent>>20, failed, time.Since(began).Seconds())
	return failed == 0
}

// scattered is one such upload.
func (c *cluster) scattered(number int64) (int, error) {
	random := rand.New(rand.NewSource(time.Now().UnixNano()))
	repository := fmt.Sprintf("cluster/uploads-%d", number%16)
	chunks, largest := 1+random.Intn(5), 256<<10
	if number%20 == 0 {
		largest = 12 << 20
	}
	var whole []byte
	location, err := c.begin(c.anyNode(), repository)
	if err != nil {
		return 0, fmt.Errorf("begin: %w", err)
	}
	for range chunks {
		part := content(random.Int63(), 1+random.Intn(largest))
		if location, err = c.chunk(c.anyNode(), repository, location, len(whole), part); err != nil {
			return len(whole), fmt.Errorf("chunk at %d: %w", len(whole), err)
		}
		whole = append(whole, part...)
	}
	digest := digestOf(whole)
	if err = c.finish(c.anyNode(), repository, location, digest); err != nil {
		return len(whole), fmt.Errorf("finish: %w", err)
	}
	if _, err = c.get(c.anyNode(), repository, "blobs", digest, digest); err != nil {
		return len(whole), fmt.Errorf("read back: %w", err)
	}
	return len(whole), nil
}
